import SystemPackage
import TestSupport
import Testing

@testable import HandleStore

/// Aliases, as a check and a repair see them: one of a known layout, and one with an opaque handle.
@Suite struct AliasInspectionTests {
  private let copy: StoreCopy
  private let former: [Node]

  init() throws {
    let small = try SmallStore()
    let live = small.nodes.values.filter { $0.state == .live }.sorted { $0.id < $1.id }
    let plain = try #require(live.first { !$0.handle.isSpilled })
    let opaque = try #require(live.first { $0.handle.isSpilled })
    former = [plain, opaque]
    copy = try small.copy()
    let store = try Store(at: copy.path)
    for (i, node) in former.enumerated() {
      let upper = Synthetic.file(UInt64(50_000 + i))
      try store.copyUp(node.id, to: upper, on: plain.filesystem)
    }
    try store.close()
  }

  /// Which of the former handles still lead to their nodes.
  private func found() throws -> [Bool] {
    let store = try Store(at: copy.path)
    defer { try? store.close() }
    return try former.map { node in
      let aliases = try store.aliases(of: node.id)
      let isFound = try store.node(of: node.handle, on: node.filesystem)?.id == node.id
      #expect(aliases.map(\.handle) == (isFound ? [node.handle] : []))
      return isFound
    }
  }

  private func key(_ node: Node) -> IndexKey {
    IndexKey(node.handle, on: node.filesystem, .tmpfs)
  }

  private func row(_ node: Node) -> NumberPair { NumberPair(node.id.rawValue, key(node).hash) }

  /// Expects a finding of the index about a node, and that a repair leaves what is told.
  private func expect(
    _ node: NodeID?, afterRepair wanted: [Bool], location: SourceLocation = #_sourceLocation
  ) throws {
    let report = try copy.check()
    #expect(report.findings.map(\.kind) == [.index], sourceLocation: location)
    #expect(report.findings.first?.node == node, sourceLocation: location)
    _ = try copy.repair()
    #expect(try copy.check().findings == [], sourceLocation: location)
    #expect(try found() == wanted, sourceLocation: location)
  }

  @Test func aRepairKeepsThem() throws {
    let report = try copy.check()
    #expect(report.findings == [] && report.aliases == 2)
    #expect(try found() == [true, true])
    _ = try copy.repair()
    #expect(try copy.check().findings == [])
    #expect(try found() == [true, true])
  }

  @Test(arguments: 0..<2) func aRowWithAWrongChecksum(_ i: Int) throws {
    let node = former[i]
    try copy.forge { transaction, tables in
      var row = AliasRow()
      _ = try transaction.get(self.row(node), from: tables.aliases, into: &row)
      row.words[2] ^= 1 << 40
      try transaction.put(row, for: self.row(node), in: tables.aliases)
    }
    #expect(throws: StoreError.self) { try found() }
    try expect(nil, afterRepair: [i != 0, i != 1])
  }

  @Test func aRowUnderAnotherNode() throws {
    let node = former[0]
    try copy.forge { transaction, tables in
      var row = AliasRow()
      _ = try transaction.get(self.row(node), from: tables.aliases, into: &row)
      let other = NumberPair(former[1].id.rawValue, key(node).hash)
      try transaction.put(row, for: other, in: tables.aliases)
    }
    try expect(nil, afterRepair: [true, true])
  }

  @Test(arguments: 0..<2) func aMissingIndexEntry(_ i: Int) throws {
    try copy.forge { try $0.remove(key(former[i]), from: $1.inodes) }
    try expect(former[i].id, afterRepair: [true, true])
  }

  @Test(arguments: 0..<2) func aMissingRow(_ i: Int) throws {
    try copy.forge { try $0.remove(row(former[i]), from: $1.aliases) }
    #expect(throws: StoreError.self) { try found() }
    try expect(former[i].id, afterRepair: [i != 0, i != 1])
  }

  @Test func anAliasOfNobody() throws {
    let nobody = NodeID(rawValue: 70_000)
    let alias = Alias(
      node: nobody, filesystem: former[0].filesystem, handle: Synthetic.handle(60_000),
      type: .regular, since: 1)
    let key = IndexKey(alias.handle, on: alias.filesystem, .tmpfs)
    try copy.forge { try $1.put(alias, under: key, in: $0) }
    let report = try copy.check()
    #expect(report.findings.contains { $0.kind == .index && $0.node == nobody })
    _ = try copy.repair()
    #expect(try copy.check().findings == [])
    #expect(try found() == [true, true])
  }

  /// Such an alias would keep its node from being dropped.
  @Test func anAliasOnNoFilesystem() throws {
    let alias = Alias(
      node: former[0].id, filesystem: FilesystemID(rawValue: 77),
      handle: Synthetic.handle(60_000), type: .regular, since: 1)
    let key = IndexKey(alias.handle, on: alias.filesystem, .tmpfs)
    try copy.forge { try $1.put(alias, under: key, in: $0) }
    let report = try copy.check()
    #expect(report.findings.map(\.kind) == [.filesystem])
    #expect(report.findings.first?.node == former[0].id)
    _ = try copy.repair()
    #expect(try copy.check().findings == [])
    #expect(try found() == [true, true])
  }

  /// A node that has the key is not lost for an alias.
  @Test func anAliasWithTheKeyOfANode() throws {
    let node = former[0]
    let file = FoundFile(
      handle: node.handle, status: FileStatus(inode: 1, mode: Synthetic.mode))
    var own: NodeID?
    try copy.forge { transaction, tables in
      let id = NodeID(rawValue: 800)
      var record = Record(
        handle: file.handle, filesystem: node.filesystem, type: .regular, parent: nil, since: 0)
      try tables.append(&record, file.handle, for: id, in: transaction)
      try transaction.put(IndexValue(id), for: key(node), in: tables.inodes)
      own = id
    }
    #expect(try copy.check().findings.contains { $0.kind == .index && $0.node == node.id })
    _ = try copy.repair()
    #expect(try copy.check().findings == [])
    let store = try Store(at: copy.path)
    #expect(try store.node(of: node.handle, on: node.filesystem)?.id == own)
    try store.close()
  }
}
