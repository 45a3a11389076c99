import HandleStore
import Synchronization
import SystemPackage
import TestSupport
import Testing

/// Many threads and one store; clean under the thread sanitizer too.
@Suite struct ThreadsTests {
  private static let threads = 8
  private static let files: UInt64 = isSanitized ? 300 : 2_000

  private static func store(_ durability: Durability = .process, cacheSize: Int = 1024) throws
    -> (TestStore, FilesystemID)
  {
    let test = try TestStore(StoreOptions(durability: durability, cacheSize: cacheSize))
    return (test, try test.store.attach(Synthetic.directory))
  }

  @Test(arguments: Durability.allCases) func racingRegistrationsMintOneNodeEach(
    _ durability: Durability
  ) throws {
    let (test, id) = try Self.store(durability)
    let store = test.store
    let files = durability == .power ? Self.files / 10 : Self.files
    let results = try inThreads(Self.threads) { _ in try store.registerEach(0..<files, on: id) }
    for file in 0..<Int(files) {
      #expect(Set(results.map { $0[file].node }).count == 1)
      #expect(results.count { $0[file].outcome == .created } == 1)
      #expect(results.count { $0[file].outcome == .existing } == Self.threads - 1)
    }
    let nodes = try store.everyNode()
    #expect(nodes.count == Int(files) && Set(nodes.map(\.handle)).count == Int(files))
    #expect(store.statistics.created == files)
    try store.close()
  }

  /// Changes of several threads reach the disk with one flush: a commit waits a moment for those who committed
  /// with the last one. Without that, there are as many writes as files.
  @Test func threadsShareAFlush() throws {
    let (test, id) = try Self.store(.power)
    let store = test.store
    let before = store.statistics.writeSizes
    let files: UInt64 = 40
    _ = try inThreads(Self.threads) { thread in
      let first = UInt64(thread) << 32
      _ = try store.registerEach(first..<first + files, on: id)
    }
    let (all, sizes) = (files * UInt64(Self.threads), store.statistics.writeSizes)
    let (writes, written) = (sizes.count - before.count, sizes.sum - before.sum)
    #expect(written == all)
    #expect(writes < all * 3 / 4, "\(writes) writes for \(all) files")
    try store.close()
  }

  @Test func racingBatchesMintOneNodeEach() throws {
    let (test, id) = try Self.store()
    let store = test.store
    let results = try inThreads(Self.threads) { thread in
      var found: [UInt64: Registration] = [:]
      for start in stride(from: 0, to: Self.files, by: 50) {
        // Each thread in another order.
        let inodes = (0..<50).map { start + (UInt64($0) * 7 + UInt64(thread) * 13) % 50 }
        let batch = try store.register(batch: inodes.map { Synthetic.file($0) }, on: id)
        for (inode, result) in zip(inodes, batch) { found[inode] = result }
      }
      return found
    }
    for file in 0..<Self.files {
      #expect(Set(results.map { $0[file]?.node }).count == 1)
      #expect(results.count { $0[file]?.outcome == .created } == 1)
    }
    try store.close()
  }

  /// Changes that are committed together get their own results and errors: single files, batches that add more
  /// than fits into the map, and calls that fail.
  @Test(arguments: Durability.allCases) func aCallThatFailsHarmsNoOther(
    _ durability: Durability
  ) throws {
    let (test, id) = try Self.store(durability)
    let store = test.store
    let rounds = durability == .power ? 20 : Self.files / 4
    let created = try inThreads(6) { thread -> [NodeID] in
      let first = UInt64(thread) << 32
      return try (0..<rounds).flatMap { round -> [NodeID] in
        switch thread {
        case 0, 1:
          #expect(throws: StoreError.unknownNode(NodeID(rawValue: 1 << 50))) {
            try store.retire(NodeID(rawValue: 1 << 50))
          }
          return []
        case 2:
          let files = (0..<100).map { Synthetic.file(first + round * 100 + $0) }
          let results = try store.register(batch: files, on: id)
          #expect(results.allSatisfy { $0.outcome == .created })
          return results.map(\.node)
        default:
          let result = try store.register(Synthetic.file(first + round), on: id)
          #expect(result.outcome == .created)
          return [result.node]
        }
      }
    }.flatMap(\.self)
    #expect(created.count == Int(rounds) * 103 && Set(created).count == created.count)
    #expect(try store.everyNode().map(\.id) == created.sorted())
    #expect(store.statistics.created == UInt64(created.count))
    try store.close()
  }

  @Test func racingReusesReplaceOneNodeEach() throws {
    let (test, id) = try Self.store()
    let store = test.store
    let count = Self.files / 10
    let old = try store.registerEach(0..<count, on: id).map(\.node)
    let results = try inThreads(Self.threads) { _ in
      try (0..<count).map {
        try store.register(Synthetic.file($0, generation: 2), on: id)
      }
    }
    for file in 0..<Int(count) {
      #expect(Set(results.map { $0[file].node }).count == 1)
      #expect(results.count { $0[file].outcome == .replaced(old[file]) } == 1)
      #expect(try store.node(old[file])?.state == .stale)
    }
    #expect(store.statistics.replaced == count)
    try store.close()
  }

  /// Each thread has files of its own to retire and register again, and reads those of all.
  @Test(arguments: [0, 4, 4096]) func aMixOfCallsKeepsItsPromises(_ cacheSize: Int) throws {
    let (test, id) = try Self.store(cacheSize: cacheSize)
    let store = test.store
    let rounds = isSanitized ? 60 : 400
    let minted = try inThreads(Self.threads) { thread in
      var random = SeededGenerator(seed: UInt64(thread))
      var minted: [NodeID] = []
      for round in 0..<rounds {
        let key = UInt64(thread) << 32 | UInt64(round % 20)
        let found = try store.register(Synthetic.file(key), on: id)
        if found.outcome == .created { minted.append(found.node) }
        try Self.expectLive(found.node, key, store, id)
        if round.isMultiple(of: 3) {
          #expect(try store.retire(found.node))
          #expect(try store.node(found.node)?.state == .stale)
          #expect(throws: StoreError.stale(found.node)) { try store.open(found.node) }
          #expect(try store.node(of: Synthetic.handle(key), on: id) == nil)
        }
        if round.isMultiple(of: 10) {
          let page = try store.nodes(from: NodeID(rawValue: .random(in: 1..<500, using: &random)))
          #expect(zip(page.nodes, page.nodes.dropFirst()).allSatisfy { $0.id < $1.id })
        }
      }
      return minted
    }
    let all = minted.flatMap { $0 }
    #expect(Set(all).count == all.count, "no id twice")
    #expect(try store.everyNode().map(\.id) == all.sorted())
    try store.close()
  }

  private static func expectLive(
    _ node: NodeID, _ key: UInt64, _ store: Store, _ filesystem: FilesystemID
  ) throws {
    let handle = Synthetic.handle(key)
    #expect(try store.node(node)?.handle == handle)
    #expect(try store.node(node)?.state == .live)
    #expect(try store.node(of: handle, on: filesystem)?.id == node)
  }

  /// A retired node is never seen live again, by a thread that was told.
  @Test func aRetiredNodeStaysStaleForAll() throws {
    let (test, id) = try Self.store(cacheSize: 64)
    let store = test.store
    let nodes = try store.registerEach(0..<(Self.files / 2), on: id).map(\.node)
    let retired = Atomic<Int>(0)
    _ = try inThreads(Self.threads) { thread in
      if thread == 0 {
        for (i, node) in nodes.enumerated() {
          try store.retire(node)
          retired.store(i + 1, ordering: .releasing)
        }
        return
      }
      while true {
        let told = retired.load(ordering: .acquiring)
        for node in nodes[max(0, told - 20)..<told] {
          #expect(try store.node(node)?.state == .stale)
        }
        for node in nodes[told..<min(nodes.count, told + 20)] { _ = try store.node(node) }
        if told == nodes.count { return }
      }
    }
    try store.close()
  }

  /// Calls beside ``Store/close()`` do what they should or are refused.
  @Test func closingBesideOtherCallsRefusesThem() throws {
    for round in 0..<(isSanitized ? 5 : 20) {
      let (test, id) = try Self.store()
      let store = test.store
      let nodes = try store.registerEach(0..<10, on: id).map(\.node)
      let acknowledged = try inThreads(Self.threads) { thread in
        if thread == 0 {
          for _ in 0..<(round * 20) { _ = try store.node(nodes[0]) }
          try store.close()
          return [NodeID]()
        }
        return try Self.callUntilClosed(store, id, thread, nodes)
      }
      #expect(throws: StoreError.closed) { try store.node(nodes[0]) }
      try test.reopen()
      for node in acknowledged.flatMap({ $0 }) {
        #expect(try test.store.node(node)?.state == .live)
      }
    }
  }

  /// Calls everything until it is refused; returns the nodes that were minted.
  private static func callUntilClosed(
    _ store: Store, _ filesystem: FilesystemID, _ thread: Int, _ nodes: [NodeID]
  ) throws -> [NodeID] {
    var minted: [NodeID] = []
    do {
      for key in (UInt64(thread) << 32)... {
        minted.append(try store.register(Synthetic.file(key), on: filesystem).node)
        _ = try store.node(nodes[3])
        _ = try store.nodes(limit: 5)
        _ = try store.node(of: Synthetic.handle(2), on: filesystem)
        _ = try store.register(batch: [Synthetic.file(1), Synthetic.file(2)], on: filesystem)
      }
    } catch StoreError.closed {}
    return minted
  }

  /// A reader that is slow must not put an old record over a newer one in the cache. Its four places
  /// for 64 nodes in a row are not enough for these, so that each is read anew again and again.
  @Test func whatIsRetiredStaysSoForThoseWhoRead() throws {
    let test = try TestStore(StoreOptions(cacheSize: 64))
    let store = test.store
    let id = try store.attach(Synthetic.directory)
    let count = 4000 * soak
    let nodes = try store.register(batch: (0..<UInt64(count)).map { Synthetic.file($0) }, on: id)
      .map(\.node)
    let current = Atomic<Int>(0)
    let wrong = try inThreads(3) { number -> Int in
      var wrong = 0
      if number == 0 {
        for (i, node) in nodes.enumerated() {
          current.store(i, ordering: .relaxed)
          try store.retire(node)
          for _ in 0..<10 where try store.node(node)?.state != .stale { wrong += 1 }
        }
        current.store(count, ordering: .relaxed)
        return wrong
      }
      while case let i = current.load(ordering: .relaxed), i < count {
        for neighbour in 0..<6 { _ = try store.node(nodes[(i & ~7) + (i + neighbour) & 7]) }
      }
      return 0
    }
    #expect(wrong[0] == 0)
    try store.close()
  }
}
