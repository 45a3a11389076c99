import SystemPackage
import TestSupport
import Testing

@testable import HandleStore

/// Watches and limbo, as a check, a repair and a backup see them.
@Suite struct WatchInspectionTests {
  private let small: SmallStore
  private let copy: StoreCopy
  /// Live and watched, by two.
  private let watched: NodeID
  /// Stale and watched: reported, and not.
  private let reported: NodeID
  private let waiting: NodeID
  private static let watchers = [WatcherID(rawValue: 3), WatcherID(rawValue: .max)]

  init() throws {
    small = try SmallStore()
    let store = try Store(at: small.path)
    let live = small.nodes.values.filter { $0.state == .live }.map(\.id).sorted()
    (watched, reported, waiting) = (live[0], live[20], live[10])
    for watcher in Self.watchers {
      for id in [watched, reported, waiting] {
        try store.watch(id, mask: .modify, by: watcher)
      }
    }
    try store.retire(reported)
    _ = try store.deletions()
    try store.retire(waiting)
    try store.close()
    copy = try small.copy()
  }

  /// Checks that everything is as it was made.
  private func expectAll(in path: FilePath, overflowed: Bool = false) throws {
    let report = try Store.check(at: path)
    #expect(report.findings == [])
    #expect(report.watches == 6 && report.limbo == 2)
    let store = try Store(at: path)
    #expect(try store.watchedNodes().nodes.map(\.id) == [watched, waiting, reported])
    for id in [watched, reported, waiting] {
      #expect(try store.watches(of: id).map(\.watcher) == Self.watchers)
    }
    let deletions = try store.deletions()
    #expect(deletions.nodes == [waiting] && deletions.overflowed == overflowed)
    #expect(try store.deletions().isEmpty)
    try store.close()
  }

  @Test func aCheckCountsThem() throws { try expectAll(in: copy.path) }

  @Test func aRepairKeepsThem() throws {
    let report = try copy.repair()
    #expect(report.setAside == 0 && report.retired == 0)
    try expectAll(in: copy.path)
  }

  @Test func aRepairKeepsAnOverflow() throws {
    try copy.forge { try $1.put(.overflow, in: $0) }
    _ = try copy.repair()
    try expectAll(in: copy.path, overflowed: true)
  }

  @Test func aBackupHasThem() throws {
    let store = try Store(at: small.path)
    let directory = try TemporaryDirectory()
    try store.backup(to: directory.appending("copy"))
    try store.close()
    try expectAll(in: directory.appending("copy"))
  }

  /// Checks that there is one finding about a node, and that a repair ends it and tells that a watch may
  /// be lost.
  private func expectFinding(
    _ node: NodeID?, watches: Int, location: SourceLocation = #_sourceLocation
  ) throws {
    let report = try copy.check()
    #expect(report.findings.map(\.kind) == [.watch], sourceLocation: location)
    #expect(report.findings.first?.node == node, sourceLocation: location)
    _ = try copy.repair()
    let repaired = try copy.check()
    #expect(repaired.findings == [] && repaired.watches == watches, sourceLocation: location)
  }

  private func overflowed() throws -> Bool {
    let store = try Store(at: copy.path)
    defer { try? store.close() }
    return try store.deletions().overflowed
  }

  @Test func aWatchWithAWrongChecksum() throws {
    try copy.forge { transaction, tables in
      let (right, wrong) = (watched, waiting)
      try transaction.put(
        Watch(node: wrong, watcher: Self.watchers[0], mask: .modify).value,
        for: Watch(node: right, watcher: Self.watchers[0], mask: .modify).key, in: tables.watches)
    }
    #expect(throws: StoreError.self) { try Store(at: copy.path).watches(of: watched) }
    try expectFinding(nil, watches: 5)
    #expect(try overflowed())
  }

  @Test func aWatchOfANodeThatIsNotThere() throws {
    let nobody = NodeID(rawValue: 70_000)
    try copy.forge {
      try $1.put(Watch(node: nobody, watcher: Self.watchers[0], mask: .modify), in: $0)
    }
    try expectFinding(nobody, watches: 6)
    #expect(try overflowed())
  }

  @Test func aStaleWatchedNodeThatIsNotInLimbo() throws {
    try copy.forge { try $1.removeFromLimbo(reported, in: $0) }
    try expectFinding(reported, watches: 6)
    // Rather twice than never.
    let store = try Store(at: copy.path)
    #expect(try store.deletions().nodes == [waiting, reported])
    try store.close()
  }

  @Test func aNodeThatIsInLimboTwice() throws {
    try copy.forge { try $1.put(LimboRow(reported, isReported: false), in: $0) }
    try expectFinding(reported, watches: 6)
  }

  @Test func aNodeInLimboThatNobodyWatches() throws {
    let stale = try #require(small.nodes.values.first { $0.state == .stale }?.id)
    try copy.forge { try $1.put(LimboRow(stale, isReported: true), in: $0) }
    try expectFinding(nil, watches: 6)
  }

  @Test func aRowOfLimboWithAWrongChecksum() throws {
    try copy.forge { try $0.put($1.limbo, reported.rawValue, [7]) }
    try expectFinding(nil, watches: 6)
  }

  @Test func aLostTableIsToldAsAnOverflow() throws {
    let (_, _, trees) = try copy.trees()
    let root = try #require(trees[.watches]?.root)
    try overwrite(copy.data, at: root * 4096, [UInt8](repeating: 0xa5, count: 4096))
    #expect(try !copy.check().isSound)
    _ = try copy.repair()
    #expect(try copy.check().findings == [])
    #expect(try overflowed())
  }

  @Test func whatARepairRetiresIsReported() throws {
    // The node's entry in the index is another's, with a higher id, and so is its inode.
    let node = try #require(small.nodes[watched])
    try copy.forge { transaction, tables in
      var twin = Record(
        handle: node.handle, filesystem: node.filesystem, type: node.type, parent: nil, since: 0)
      try tables.append(&twin, node.handle, for: NodeID(rawValue: 900), in: transaction)
    }
    #expect(try copy.repair().retired == 1)
    #expect(try copy.check().findings == [])
    let store = try Store(at: copy.path)
    #expect(try store.node(watched)?.state == .stale)
    #expect(try store.deletions().nodes == [watched, waiting])
    try store.close()
  }

  @Test func manyWatchesAreRepaired() throws {
    let store = try Store(at: small.path)
    let live = try store.nodes(in: .live).nodes.map(\.id)
    for id in live {
      for watcher in UInt64(0)..<40 {
        try store.watch(id, mask: .open, by: WatcherID(rawValue: watcher))
      }
    }
    let before = try store.summary().watches
    try store.close()
    _ = try Store.repair(at: small.path)
    let report = try Store.check(at: small.path)
    #expect(report.findings == [] && report.watches == before && before > 10_000)
  }
}
