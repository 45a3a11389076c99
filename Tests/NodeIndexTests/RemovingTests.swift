import SystemPackage
import TestSupport
import Testing

@testable import HandleStore

/// What the contract says of dropping nodes, of watches and of limbo.
@Suite struct RemovingTests {
  private func dropping(_ ids: [NodeID], held: Set<NodeID> = []) -> Dropping {
    Dropping(ids: ids, isHeld: { held.contains($0) })
  }

  private func files(_ count: UInt64, in test: TestIndex) throws -> [NodeID] {
    try (0..<count).map { try test.register(Synthetic.file($0)).node }
  }

  /// Two files have one `st_ino`, as on two layers of an overlayfs. If both nodes are dropped, the hint goes
  /// with them, so that a third file can get it.
  @Test(arguments: Engine.allCases) func hintsGoWithTheirNodes(_ engine: Engine) throws {
    let test = try TestIndex(engine)
    let fs = TestIndex.unknown
    let inodes = 1...20 as ClosedRange<UInt64>
    var ids: [NodeID] = []
    for inode in inodes {
      ids.append(try test.register(opaque(inode, inode: inode), on: fs).node)
      ids.append(try test.register(opaque(100 + inode, inode: inode), on: fs, .both).node)
    }
    #expect(try test.index.dropAgreed(dropping(ids)) == 40)
    for inode in inodes {
      let third = try test.register(opaque(200 + inode, inode: inode), on: fs)
      #expect(third.outcome == .created)
    }
  }

  @Test(arguments: Engine.allCases) func whatMayGoGoes(_ engine: Engine) throws {
    let test = try TestIndex(engine)
    let ids = try files(8, in: test)
    try test.index.watch(Watch(node: ids[1], watcher: WatcherID(rawValue: 1), mask: .modify))
    #expect(try test.index.dropAgreed(dropping(Array(ids[..<4]), held: [ids[0]])) == 2)
    #expect(try test.node(ids[2]) == nil && test.node(ids[3]) == nil)
    #expect(try test.all().map(\.id) == [ids[0], ids[1]] + ids[4...])
    // Its file gets another node.
    let again = try test.register(Synthetic.file(2))
    #expect(again.outcome == .created && again.node > ids[7])
    var some = dropping(ids)
    some.onlyStale = true
    #expect(try test.index.dropAgreed(some) == 0)
    #expect(try test.index.retire(ids[5], ifItIs: nil))
    #expect(try test.index.dropAgreed(some) == 1)
    some.onlyStale = false
    some.age = 1000
    #expect(try test.index.dropAgreed(some) == 0)
    some.age = 0
    some.leaving = 5
    #expect(try test.index.dropAgreed(some) == 1 && test.index.count() == 5)
    some.leaving = 0
    some.limit = 1
    #expect(try test.index.dropAgreed(some) == 1 && test.index.count() == 4)
  }

  @Test(arguments: Engine.allCases) func aliasesGoWithTheirNode(_ engine: Engine) throws {
    let test = try TestIndex(engine)
    let id = try files(1, in: test)[0]
    _ = try test.index.move(id, to: Synthetic.file(5), on: TestIndex.tmpfs, Survivors())
    // Nothing else leads from the old handle to the copy.
    #expect(try test.index.dropAgreed(dropping([id])) == 0)
    #expect(try test.index.retire(id, ifItIs: nil))
    #expect(try test.aliases().count == 1)
    #expect(try test.index.dropAgreed(dropping([id])) == 1)
    #expect(try test.aliases().isEmpty && test.index.count() == 0)
    #expect(try test.register(Synthetic.file(0)).outcome == .created)
  }

  @Test(arguments: Engine.allCases) func pages(_ engine: Engine) throws {
    let test = try TestIndex(engine)
    let ids = try files(40, in: test)
    for id in ids where id.rawValue % 10 != 0 { _ = try test.index.retire(id, ifItIs: nil) }
    var found: [NodeID] = []
    var next: NodeID? = .root
    var calls = 0
    while let start = next {
      let page = try test.index.nodes(from: start, limit: 1, on: TestIndex.tmpfs, in: .live)
      #expect(page.nodes.count <= 1)
      found += page.nodes.map(\.id)
      next = page.next
      calls += 1
    }
    #expect(found == ids.filter { $0.rawValue % 10 == 0 } && calls >= 4)
    #expect(try test.index.nodes(from: .root, limit: .max, on: nil, in: nil).nodes.count == 40)
    #expect(
      try test.index.nodes(from: .root, limit: 9, on: TestIndex.other, in: nil).nodes.isEmpty)
    let last = NodeID(rawValue: .max)
    #expect(try test.index.nodes(from: last, limit: 1, on: nil, in: nil).nodes.isEmpty)
  }

  @Test(arguments: Engine.allCases) func watches(_ engine: Engine) throws {
    let test = try TestIndex(engine)
    let ids = try files(5, in: test)
    let (a, b) = (WatcherID(rawValue: 1), WatcherID(rawValue: 2))
    for id in ids.reversed() { try test.index.watch(Watch(node: id, watcher: b, mask: .modify)) }
    try test.index.watch(Watch(node: ids[2], watcher: a, mask: .attrib))
    try test.index.watch(Watch(node: ids[2], watcher: a, mask: .delete))
    #expect(
      try test.index.watches(of: ids[2])
        == [
          Watch(node: ids[2], watcher: a, mask: .delete),
          Watch(node: ids[2], watcher: b, mask: .modify),
        ])
    let page = try test.index.watchedNodes(from: ids[1], limit: 2)
    #expect(page.nodes.map(\.id) == [ids[1], ids[2]] && page.next == ids[3])
    #expect(page.nodes[1].mask == [.delete, .modify])
    #expect(try test.index.watchedNodes(from: ids[3], limit: 2).next == nil)
    #expect(try test.index.unwatch(ids[2], by: a) && !test.index.unwatch(ids[2], by: a))
    #expect(try test.index.retire(ids[0], ifItIs: nil))
    #expect(throws: StoreError.stale(ids[0])) {
      try test.index.watch(Watch(node: ids[0], watcher: a, mask: .modify))
    }
    #expect(throws: StoreError.unknownNode(NodeID(rawValue: 99))) {
      try test.index.watch(Watch(node: NodeID(rawValue: 99), watcher: a, mask: .modify))
    }
    try test.reopen()
    #expect(try test.index.limbo() == [LimboNode(id: ids[0], isReported: false)])
    #expect(
      try test.index.takeDeletions(limit: 9) == Deletions(nodes: [ids[0]], overflowed: false))
    #expect(try test.index.takeDeletions(limit: 9).isEmpty)
    #expect(try test.index.limbo() == [LimboNode(id: ids[0], isReported: true)])
    #expect(try test.index.dropAgreed(dropping([ids[0]])) == 0)
    #expect(try test.index.unwatch(ids[0], by: b))
    #expect(try test.index.limbo().isEmpty)
    #expect(try test.index.dropAgreed(dropping([ids[0]])) == 1)
  }

  @Test(arguments: Engine.allCases) func limboOverflows(_ engine: Engine) throws {
    let test = try TestIndex(engine, limboLimit: 3)
    let ids = try files(6, in: test)
    for id in ids {
      try test.index.watch(Watch(node: id, watcher: WatcherID(rawValue: 1), mask: .deleteSelf))
    }
    #expect(try test.index.retire(ids[4], ifItIs: nil))
    #expect(try test.index.takeDeletions(limit: 9).nodes == [ids[4]])
    for i in [3, 2, 1] { #expect(try test.index.retire(ids[i], ifItIs: nil)) }
    // The one that was reported goes first.
    #expect(try test.index.limbo().map(\.id) == [ids[1], ids[2], ids[3]])
    #expect(try test.index.watches(of: ids[4]).isEmpty)
    #expect(
      try test.index.takeDeletions(limit: 2)
        == Deletions(nodes: [ids[1], ids[2]], overflowed: true))
    #expect(
      try test.index.takeDeletions(limit: 2) == Deletions(nodes: [ids[3]], overflowed: false))
  }

  @Test(arguments: Engine.allCases) func aClosedIndex(_ engine: Engine) throws {
    let test = try TestIndex(engine)
    let id = try files(1, in: test)[0]
    try test.index.close()
    #expect(throws: StoreError.closed) { try test.index.node(id) }
    #expect(throws: StoreError.closed) { try test.register(Synthetic.file(7)) }
    #expect(throws: StoreError.closed) { try test.index.drop(dropping([id])) }
  }
}
