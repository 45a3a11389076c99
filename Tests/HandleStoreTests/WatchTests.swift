import Foundation
import HandleStore
import SystemPackage
import TestSupport
import Testing

private let alice = WatcherID(rawValue: 1)
private let bob = WatcherID(rawValue: .max)

/// Who watches what, and what is kept of it.
@Suite struct WatchTests {
  private let test: TestStore
  private let filesystem: FilesystemID
  private var store: Store { test.store }

  init() throws {
    test = try TestStore(StoreOptions(retention: .nodes(0), limboLimit: 10))
    filesystem = try test.store.attach(Synthetic.directory)
  }

  private func nodes(_ inodes: Range<UInt64>) throws -> [NodeID] {
    try store.register(batch: inodes.map { Synthetic.file($0) }, on: filesystem).map(\.node)
  }

  @Test func masksAreCombined() throws {
    let ids = try nodes(0..<3)
    try store.watch(ids[1], mask: [.modify, .deleteSelf], by: alice)
    try store.watch(ids[1], mask: [.attrib, .deleteSelf], by: bob)
    #expect(try store.watchMask(of: ids[1]) == [.modify, .attrib, .deleteSelf])
    #expect(try store.watches(of: ids[1]).map(\.watcher) == [alice, bob])
    try store.watch(ids[1], mask: .open, by: alice)
    #expect(try store.watchMask(of: ids[1]) == [.open, .attrib, .deleteSelf], "in its place")
    #expect(try store.watches(of: ids[1]).first?.mask == .open)
    #expect(try store.unwatch(ids[1], by: bob))
    #expect(try store.watchMask(of: ids[1]) == .open)
    #expect(try !store.unwatch(ids[1], by: bob))
    #expect(try store.unwatch(ids[1], by: alice))
    for id in ids {
      #expect(try store.watchMask(of: id).isEmpty && store.watches(of: id).isEmpty)
    }
    #expect(try store.watchedNodes().nodes.isEmpty)
  }

  @Test func bitsAreThoseOfInotify() {
    let names: [WatchMask] = [
      .access, .modify, .attrib, .closeWrite, .closeNoWrite, .open, .movedFrom, .movedTo, .create,
      .delete, .deleteSelf, .moveSelf,
    ]
    #expect(names.map(\.rawValue) == (0..<12).map { 1 << $0 })
  }

  @Test func whatCannotBeWatchedIsSaid() throws {
    let id = try nodes(0..<1)[0]
    let upper = Synthetic.file(7)
    try store.copyUp(id, to: upper.handle, status: upper.status, on: filesystem)
    for unknown in [NodeID.root, NodeID(rawValue: 1 << 50)] {
      #expect(throws: StoreError.unknownNode(unknown)) {
        try store.watch(unknown, mask: .modify, by: alice)
      }
    }
    let error = #expect(throws: StoreError.self) { try store.watch(id, mask: [], by: alice) }
    #expect(error?.description.contains("name at least one") == true)
    try store.retire(id)
    #expect(throws: StoreError.stale(id)) { try store.watch(id, mask: .modify, by: alice) }
  }

  @Test func watchesAreKept() throws {
    let ids = try nodes(0..<5000)
    for (i, id) in ids.enumerated() where i.isMultiple(of: 3) {
      try store.watch(id, mask: .modify, by: alice)
      if i.isMultiple(of: 2) { try store.watch(id, mask: .create, by: bob) }
    }
    try test.reopen()
    var found: [WatchedNode] = []
    var next: NodeID? = .root
    while let start = next {
      let page = try store.watchedNodes(from: start, limit: 100)
      #expect(page.nodes.count == 100 || page.next == nil)
      found += page.nodes
      next = page.next
    }
    let watched = ids.enumerated().filter { $0.offset.isMultiple(of: 3) }
    #expect(found.map(\.id) == watched.map(\.element))
    for (node, (i, _)) in zip(found, watched) {
      #expect(node.mask == (i.isMultiple(of: 2) ? [.modify, .create] : .modify))
    }
    #expect(try store.summary().watches == 2501)
    try store.close()
    #expect(try Store.check(at: test.path).findings == [])
    #expect(try Store.check(at: test.path).watches == 2501)
  }

  @Test func aReaderSeesThemAndChangesNone() throws {
    let id = try nodes(0..<1)[0]
    try store.watch(id, mask: .modify, by: alice)
    try store.close()
    let reader = try Store(at: test.path, options: StoreOptions(readOnly: true))
    #expect(try reader.watchMask(of: id) == .modify)
    #expect(try reader.limbo().isEmpty)
    #expect(throws: StoreError.readOnly) { try reader.watch(id, mask: .open, by: alice) }
    #expect(throws: StoreError.readOnly) { try reader.unwatch(id, by: alice) }
    #expect(throws: StoreError.readOnly) { try reader.deletions() }
    try reader.close()
  }

  // MARK: Limbo

  @Test func aWatchedNodeIsNotDropped() throws {
    let ids = try nodes(0..<3)
    for id in ids[..<2] { try store.watch(id, mask: .modify, by: alice) }
    try store.watch(ids[1], mask: .modify, by: bob)
    try store.retire(ids[1])
    for id in ids[..<2] { #expect(try !store.forget(id)) }
    #expect(try store.evict(stale: .nodes(0)) == 0)
    #expect(try store.evict(stale: .seconds(0)) == 0)
    #expect(try store.evict() == 1)
    #expect(try store.everyNode().map(\.id) == [ids[0], ids[1]])
    #expect(try store.limbo().map(\.id) == [ids[1]] && !store.limbo()[0].isReported)
    #expect(try store.unwatch(ids[1], by: alice))
    #expect(try !store.forget(ids[1]), "another one watches it")
    #expect(try store.unwatch(ids[1], by: bob))
    #expect(try store.limbo().isEmpty)
    #expect(try store.forget(ids[1]))
    #expect(try store.deletions().isEmpty)
  }

  @Test func eachDeletionIsGivenOnce() throws {
    let ids = try nodes(0..<8)
    for id in ids { try store.watch(id, mask: .deleteSelf, by: alice) }
    try store.retire(ids[5])
    let other = try store.register(Synthetic.file(2, generation: 9), on: filesystem)
    #expect(other.outcome == .replaced(ids[2]))
    try store.retire(ids[0])
    #expect(try store.deletions(atMost: 2) == deletions([ids[0], ids[2]]))
    try test.reopen()
    #expect(try store.limbo().map(\.id) == [ids[0], ids[2], ids[5]])
    #expect(try store.limbo().map(\.isReported) == [true, true, false])
    #expect(try store.deletions() == deletions([ids[5]]))
    #expect(try store.deletions().isEmpty)
    try test.reopen()
    #expect(try store.deletions().isEmpty)
    #expect(try store.limbo().map(\.id) == [ids[0], ids[2], ids[5]])
    #expect(try store.summary().limbo == 3)
  }

  @Test func anOverflowIsGivenOnce() throws {
    let ids = try nodes(0..<30)
    for id in ids { try store.watch(id, mask: .deleteSelf, by: alice) }
    for id in ids { try store.watch(id, mask: .deleteSelf, by: bob) }
    for id in ids[..<10] { try store.retire(id) }
    #expect(try store.deletions(atMost: 4) == deletions(Array(ids[..<4])))
    for id in ids[10..<15] { try store.retire(id) }
    // Those that were reported go first.
    #expect(try store.limbo().map(\.id) == Array(ids[5..<15]))
    for id in ids[..<5] { #expect(try store.watches(of: id).isEmpty) }
    for id in ids[5...] { #expect(try store.watches(of: id).count == 2) }
    for id in ids[15..<20] { try store.retire(id) }
    try test.reopen()
    #expect(try store.deletions() == deletions(Array(ids[10..<20]), overflowed: true))
    #expect(try store.deletions().isEmpty)
    try test.reopen()
    #expect(try store.deletions().isEmpty)
    try store.retire(ids[25])
    #expect(try store.deletions() == deletions([ids[25]], overflowed: true), "one more")
    #expect(try store.forget(ids[0]), "nobody watches it any more")
    try store.close()
    #expect(try Store.check(at: test.path).findings == [])
    #expect(try Store.check(at: test.path).limbo == 10)
  }

  @Test func withoutRoomAWatchEndsAtOnce() throws {
    try test.reopen(StoreOptions(limboLimit: 0))
    _ = try store.attach(Synthetic.directory)
    let id = try nodes(0..<1)[0]
    try store.watch(id, mask: .modify, by: alice)
    try store.retire(id)
    #expect(try store.deletions() == deletions([], overflowed: true))
    #expect(try store.watches(of: id).isEmpty)
  }

  @Test func aCopiedUpNodeKeepsItsWatches() throws {
    let id = try nodes(0..<1)[0]
    try store.watch(id, mask: .modify, by: alice)
    let upper = Synthetic.file(7)
    try store.copyUp(id, to: upper.handle, status: upper.status, on: filesystem)
    #expect(try store.watchMask(of: id) == .modify)
    #expect(try store.deletions().isEmpty)
  }

  /// A process that is killed while it takes deletions: each is given once, to it or to the next one,
  /// and what it may not have told is known.
  @Test func deletionsAreGivenOnceAlsoOverAKill() throws {
    var random = SeededGenerator(seed: seed(usually: 11))
    var given: [UInt64] = []
    for run in 0..<(isSanitized ? 3 : 15) * soak {
      let directory = try TemporaryDirectory()
      let (path, log) = (directory.appending("store"), directory.appending("log"))
      let child = try Child("storeworker", ["watch", path.string, log.string])
      #expect(child.line() == "watching")
      usleep(.random(in: 0..<20_000, using: &random))
      child.kill()
      let store = try Store(at: path)
      let logged = try ((try? read(log)) ?? "").split(separator: "\n").filter { $0.hasSuffix(";") }
        .map { try #require(UInt64($0.dropLast())) }
      let limbo = try store.limbo()
      let reported = limbo.filter(\.isReported).map(\.id.rawValue)
      let rest = try store.deletions(atMost: 5000).nodes.map(\.rawValue)
      let stale = try store.everyNode(in: .stale).map(\.id.rawValue)
      #expect(Set(logged).isSubset(of: reported), "run \(run): what was given stays given")
      #expect(Set(reported).subtracting(logged).count <= 7, "run \(run): one batch")
      #expect(reported + rest == reported + rest.filter { !reported.contains($0) })
      #expect((reported + rest).sorted() == stale, "run \(run): every one, once")
      #expect(Set(logged).count == logged.count)
      #expect(try store.watchedNodes(limit: 5000).nodes.count == 1000, "watches are kept")
      try store.close()
      #expect(try Store.check(at: path).findings == [])
      given += logged
    }
    #expect(!given.isEmpty)
  }
}
