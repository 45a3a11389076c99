import HandleStore
import Synchronization
import TestSupport
import Testing

/// Threads that watch, retire, take deletions and drop.
@Suite struct WatchThreadsTests {
  @Test func eachDeletionIsGivenToOneThread() throws {
    let test = try TestStore(StoreOptions(cacheSize: 64, retention: .nodes(0)))
    let store = test.store
    let filesystem = try store.attach(Synthetic.directory)
    let pins = try store.pinsInMemory()
    let count = isSanitized ? 200 : 2000
    let ids = try store.register(
      batch: (0..<UInt64(count)).map { Synthetic.file($0) }, on: filesystem, pinnedBy: pins
    ).map(\.node)
    let working = Atomic<Int>(2)
    let taken = try inThreads(6) { number -> [NodeID] in
      if number < 2 {
        defer { working.subtract(1, ordering: .acquiringAndReleasing) }
        for (i, id) in ids.enumerated() where i % 2 == number {
          try store.watch(id, mask: .deleteSelf, by: WatcherID(rawValue: UInt64(number)))
          pins.unpin(id)
          try store.retire(id)
        }
        return []
      }
      var taken: [NodeID] = []
      while true {
        let last = working.load(ordering: .acquiring) == 0
        if number == 5 { try store.evict() } else { taken += try store.deletions(atMost: 5).nodes }
        if last, try number == 5 || store.deletionsAreOut() { return taken }
      }
    }
    let all = taken.flatMap(\.self)
    #expect(all.sorted() == ids, "each once, and none was dropped")
    #expect(try store.everyNode().count == count)
    try store.close()
    #expect(try Store.check(at: test.path).findings == [])
  }
}

extension Store {
  fileprivate func deletionsAreOut() throws -> Bool { try !limbo().contains { !$0.isReported } }
}
