import HandleStore
import Synchronization
import SystemPackage
import TestSupport
import Testing

/// Threads that register and pin, and threads that drop all that they may.
@Suite struct PinThreadsTests {
  private static let files: UInt64 = 20
  private static let rounds = (isSanitized ? 300 : 3000) * soak

  @Test(arguments: Durability.allCases) func whatIsPinnedIsThere(_ durability: Durability) throws {
    let test = try TestStore(
      StoreOptions(durability: durability, cacheSize: 64, retention: .nodes(0)))
    let store = test.store
    let filesystem = try store.attach(Synthetic.directory)
    let working = Atomic<Int>(4)
    let rounds = durability == .power ? Self.rounds / 20 : Self.rounds
    let gone = try inThreads(6) { number -> Int in
      guard number < 4 else {
        var dropped = 0
        while working.load(ordering: .acquiring) > 0 { dropped += try Self.drop(store, number) }
        return dropped
      }
      defer { working.subtract(1, ordering: .acquiringAndReleasing) }
      var client = try Client(store, filesystem, seed: UInt64(number))
      for _ in 0..<rounds { try client.step() }
      return client.missing
    }
    #expect(gone[..<4].allSatisfy { $0 == 0 }, "pinned nodes that were dropped")
    #expect(gone[4...].allSatisfy { $0 > 0 }, "the others dropped some")
    try store.close()
    #expect(try Store.check(at: test.path).findings == [])
  }

  /// One of them names nodes, as a server does after a FORGET; the other takes what there is.
  private static func drop(_ store: Store, _ number: Int) throws -> Int {
    guard number == 4 else { return try store.evict() }
    return try store.nodes().nodes.count { try store.forget($0.id) }
  }

  /// A client with pins of its own on files that all have in common.
  private struct Client {
    let store: Store
    let filesystem: FilesystemID
    let pins: Pins
    var random: SeededGenerator
    var known: [NodeID] = []
    /// Nodes that were pinned and not there.
    var missing = 0

    init(_ store: Store, _ filesystem: FilesystemID, seed: UInt64) throws {
      self.store = store
      self.filesystem = filesystem
      pins = try store.pinsInMemory()
      random = SeededGenerator(seed: seed)
    }

    mutating func step() throws {
      let inode = UInt64.random(in: 0..<PinThreadsTests.files, using: &random)
      switch Int.random(in: 0..<3, using: &random) {
      case 0:
        let found = try store.register(
          Synthetic.file(inode), on: filesystem, pinnedBy: pins)
        try held(found.node)
      case 1:
        let found = try store.register(
          batch: (inode..<(inode + 3)).map { Synthetic.file($0) }, on: filesystem, pinnedBy: pins)
        for result in found { try held(result.node) }
      default:
        // A node that may be gone since.
        guard let id = known.randomElement(using: &random) else { return }
        if try store.pin(id, by: pins) { try held(id) }
      }
    }

    private mutating func held(_ id: NodeID) throws {
      if try store.node(id)?.state != .live { missing += 1 }
      known.append(id)
      if known.count > 20 { known.removeFirst() }
      if pins.unpin(id) == 0, Bool.random(using: &random) { try store.forget(id) }
    }
  }
}
