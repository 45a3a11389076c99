import SystemPackage
import TestSupport
import Testing

@testable import HandleStore

/// Tables that LMDB finds in order and that do not agree.
@Suite struct ForgedTablesTests {
  private let small: SmallStore
  private let copy: StoreCopy
  private let plain: Node
  private let opaque: Node

  init() throws {
    small = try SmallStore()
    copy = try small.copy()
    let live = small.nodes.values.filter { $0.state == .live }.sorted { $0.id < $1.id }
    plain = try #require(live.first { !$0.handle.isSpilled })
    opaque = try #require(live.first { $0.handle.isSpilled })
  }

  /// Checks that there is one finding of a kind, about a node, and that a repair ends it without a
  /// wrong answer.
  private func expect(
    _ kind: Finding.Kind, _ node: NodeID?, count: Int = 1,
    location: SourceLocation = #_sourceLocation
  ) throws {
    let report = try copy.check()
    #expect(report.findingCount == count, "\(report.findings)", sourceLocation: location)
    #expect(
      report.findings.contains { $0.kind == kind && $0.node == node }, "\(report.findings)",
      sourceLocation: location)
    _ = try copy.repair()
    #expect(try copy.check().findings == [], sourceLocation: location)
    let store = try Store(at: copy.path)
    #expect(
      try small.wrongAnswers(of: store, mayBeRetired: true) == [], sourceLocation: location)
    try store.close()
  }

  private func key(_ node: Node) -> IndexKey {
    IndexKey(node.handle, on: node.filesystem, .tmpfs)
  }

  private func record(_ node: Node) -> Record {
    Record(
      handle: node.handle, filesystem: node.filesystem, type: node.type, parent: nil, since: 0)
  }

  // MARK: Index

  @Test func aMissingIndexEntry() throws {
    try copy.forge { try $0.remove(key(plain), from: $1.inodes) }
    try expect(.index, plain.id)
  }

  @Test func aMissingEntryOfAnOpaqueHandle() throws {
    try copy.forge { try $0.remove(key(opaque), from: $1.inodes) }
    // The entry of its inode has no node that says so.
    try expect(.index, opaque.id, count: 2)
  }

  /// The row by `st_ino` is a hint.
  @Test func aMissingHintOfAnOpaqueInodeIsNoDamage() throws {
    try copy.forge { transaction, tables in
      let value = try #require(try tables.indexed(key(opaque), in: transaction))
      try transaction.remove(
        IndexKey(hint: value.inode, on: opaque.filesystem), from: tables.inodes)
    }
    #expect(try copy.check().findings == [])
  }

  @Test func anIndexEntryToNowhere() throws {
    let stray = IndexKey(
      FileKey(77_777, generation: 0, zeroIsWildcard: false), on: plain.filesystem)
    try copy.forge { try $0.put(IndexValue(NodeID(rawValue: 99_999)), for: stray, in: $1.inodes) }
    try expect(.index, NodeID(rawValue: 99_999))
  }

  @Test func anIndexEntryUnderAnotherKey() throws {
    let stray = IndexKey(
      FileKey(77_777, generation: 0, zeroIsWildcard: false), on: plain.filesystem)
    try copy.forge { try $0.put(IndexValue(plain.id), for: stray, in: $1.inodes) }
    try expect(.index, plain.id)
  }

  @Test func anIndexEntryForAnotherNode() throws {
    try copy.forge { try $0.put(IndexValue(opaque.id), for: key(plain), in: $1.inodes) }
    try expect(.index, plain.id, count: 2)
  }

  @Test func anIndexEntryForAStaleNode() throws {
    let stale = try #require(small.nodes.values.first { $0.state == .stale })
    let stray = IndexKey(
      FileKey(77_777, generation: 0, zeroIsWildcard: false), on: plain.filesystem)
    try copy.forge { try $0.put(IndexValue(stale.id), for: stray, in: $1.inodes) }
    try expect(.index, stale.id)
  }

  @Test func twoLiveNodesOfOneInode() throws {
    var twin = record(plain)
    let id = NodeID(rawValue: 700)
    try copy.forge { try $1.append(&twin, plain.handle, for: id, in: $0) }
    let report = try copy.check()
    #expect(report.findings.map(\.kind) == [.nodeID, .index])
    #expect(report.findings.allSatisfy { $0.node == id })
    #expect(try copy.repair().retired == 1)
    let store = try Store(at: copy.path)
    #expect(try store.node(plain.id)?.state == .stale)
    #expect(try store.node(id)?.state == .live)
    #expect(try store.node(of: plain.handle, on: plain.filesystem)?.id == id)
    try store.close()
  }

  /// The commands that open an export call it damage, and not a wrong export.
  @Test(.enabled(if: mayMount, "mounting needs root")) func aLostEntryOfAnExportsRoot() throws {
    let volume = try Volume(.ext4)
    let store = try Store(at: copy.path)
    let root = try withDirectory(volume.path) { try store.addExport("e", roots: [$0]).root }
    let node = try #require(try store.node(root))
    try store.close()
    try copy.forge { transaction, tables in
      try transaction.remove(
        IndexKey(node.handle, on: node.filesystem, .ext), from: tables.inodes)
    }
    let command = ["token", copy.path.string, "e", "--node", "\(node.id)"]
    let result = try run([Commands.handlestore] + command)
    #expect(result.status == 3 && result.errors.contains("handlestore repair"), "\(result)")
  }

  // MARK: Spilled handles

  @Test func aSpilledHandleOfNobody() throws {
    let id = NodeID(rawValue: 90_000)
    let spilled = SpilledHandle(opaque.handle, for: id)
    try copy.forge { try $0.put($1.spill, id.rawValue, (0..<6).map { spilled.words[$0] }) }
    try expect(.spill, id)
  }

  @Test func aMissingSpilledHandle() throws {
    try copy.forge { try $0.remove($1.spill, opaque.id.rawValue) }
    try expect(.spill, opaque.id)
  }

  @Test func aSpilledHandleOfAnotherLength() throws {
    let longer = SpilledHandle(Synthetic.opaque(1, length: 48), for: opaque.id)
    try copy.forge { try $0.put($1.spill, opaque.id.rawValue, (0..<7).map { longer.words[$0] }) }
    try expect(.spill, opaque.id)
  }

  @Test func aSpilledHandleOfAnotherNode() throws {
    let other = SpilledHandle(opaque.handle, for: NodeID(rawValue: 5))
    try copy.forge { try $0.put($1.spill, opaque.id.rawValue, (0..<6).map { other.words[$0] }) }
    try expect(.spill, opaque.id)
  }

  // MARK: Records

  @Test func aRecordWithAWrongChecksum() throws {
    var record = record(plain)
    record.seal(for: NodeID(rawValue: plain.id.rawValue + 1))
    try copy.forge { try $0.put($1.nodes, plain.id.rawValue, (0..<6).map { record.words[$0] }) }
    try expect(.record, plain.id)
  }

  @Test func aRecordOfAnotherLength() throws {
    try copy.forge { try $0.put($1.nodes, plain.id.rawValue, [1, 2, 3]) }
    try expect(.record, plain.id)
  }

  @Test(arguments: [0, 1, 1 << 40])
  func anIDThatWasNeverHandedOut(_ number: UInt64) throws {
    let id = NodeID(rawValue: number)
    var record = record(plain)
    record.enter(.stale, at: 1)
    record.seal(for: id)
    try copy.forge { try $0.put($1.nodes, number, (0..<6).map { record.words[$0] }) }
    let report = try copy.check()
    #expect(report.findings.map(\.kind) == [.nodeID] && report.findings[0].node == id)
    _ = try copy.repair()
    #expect(try copy.check().findings == [])
  }

  // MARK: Filesystems

  @Test func aLostFilesystem() throws {
    try copy.forge { try $0.remove($1.filesystems, 1) }
    let report = try copy.check()
    #expect(report.findings.allSatisfy { $0.kind == .filesystem })
    #expect(report.findingCount == small.nodes.count)
    let live = small.nodes.values.count { $0.state == .live }
    #expect(try copy.repair().retired == live)
    #expect(try copy.check().findings == [])
  }

  @Test func aFilesystemWithAWrongChecksum() throws {
    try copy.forge { try $0.put($1.filesystems, 1, [1, 2, 3]) }
    let report = try copy.check()
    #expect(report.findings.map(\.kind) == [.filesystem])
  }

  @Test(.enabled(if: mayMount, "mounting needs root")) func asManyFilesystemsAsThereCanBe() throws {
    let last = FilesystemID(rawValue: FilesystemID.maximum)
    let identity = FilesystemIdentity(
      magic: .ext, uuid: [UInt8](repeating: 1, count: 16), root: nil, volume: "")
    let value = FilesystemRecord.encode(KnownFilesystem(identity: identity), last)
    try copy.forge {
      try $0.put($1.filesystems, UInt64(last.rawValue), value.words, size: value.size)
    }
    let volume = try Volume(.tmpfs)
    let store = try Store(at: copy.path)
    #expect(throws: StoreError.tooManyFilesystems) { try store.attach(volume.path) }
    try store.close()
  }

  // MARK: Whose data

  @Test func dataOfAnotherStore() throws {
    let other = try SmallStore(plain: 10, spilled: 1)
    try replace(try bytes(of: other.state), to: copy.state)
    #expect(try copy.check().findings.contains { $0.kind == .state })
    #expect(throws: StoreError.self) { try Store(at: copy.path) }
    let incarnation = try StateFile.read(in: OpenDirectory(copy.path))?.incarnation
    let report = try copy.repair()
    #expect(report.originalState != nil && report.setAside == 0)
    #expect(try copy.check().findings == [])
    let store = try Store(at: copy.path)
    #expect(store.incarnation != incarnation)
    #expect(try small.missing(in: store) == 0)
    let next = try store.register(Synthetic.file(1), on: Synthetic.attach(to: store)).node
    #expect(next.rawValue > 1 << 40)
    try store.close()
  }

  @Test func dataOfNobody() throws {
    try copy.forge { try $0.remove(Tables.storeKey, from: $1.meta) }
    #expect(try copy.check().findings.map(\.kind) == [.table])
    #expect(try copy.repair().originalState == nil)
    #expect(try copy.check().findings == [])
  }
}
