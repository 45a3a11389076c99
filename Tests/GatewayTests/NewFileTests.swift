import Glibc
import HandleStore
import PostgresNodeIndex
import TestSupport
import Testing

/// A gateway that has met new files writes the next ones without looking for them first.
@Suite(.server) struct NewFileTests {
  private let server: DatabaseServer
  private let gateways: Gateways
  private let a: Store
  private let b: Store
  private let filesystem: FilesystemID

  init() throws {
    server = try DatabaseServer()
    gateways = try Gateways(on: server)
    (a, b) = try (gateways.open("a"), gateways.open("b"))
    filesystem = try Synthetic.attach(to: a)
    _ = try Synthetic.attach(to: b)
  }

  @Test func aFileOfAnotherGateway() throws {
    let others = try b.registerEach(0..<5, on: filesystem).map(\.node)
    for (number, node) in zip((0 as UInt64)..., others) {
      for new in 0..<2 as Range<UInt64> {
        let file = Synthetic.file(100 + 2 * number + new)
        #expect(try a.register(file, on: filesystem).outcome == .created)
      }
      let found = try a.register(Synthetic.file(number), on: filesystem)
      #expect(found.node == node && found.outcome == .existing)
    }
    try requireNodes(15)
    // To meet a file that is not new is no failure, of which the server would tell in its log.
    #expect(!server.log.contains("ERROR"))
    for store in [a, b] { try store.close() }
  }

  @Test func oneKnownFileAmongNewOnes() throws {
    let known = try b.register(Synthetic.file(20), on: filesystem).node
    _ = try a.registerEach(100..<102, on: filesystem)
    let found = try a.register(batch: (0..<50).map { Synthetic.file($0) }, on: filesystem)
    #expect(found[20].node == known && found[20].outcome == .existing)
    #expect(found.count { $0.outcome == .created } == 49)
    try requireNodes(52)
    try require(
      "(SELECT s.nodes + (SELECT sum(nodes) FROM handlestore_gateway) FROM handlestore_store s) = 52"
    )
    for store in [a, b] { try store.close() }
  }

  @Test func aReuseOfAKnownFile() throws {
    let old = try b.register(Synthetic.file(1), on: filesystem).node
    _ = try a.registerEach(100..<102, on: filesystem)
    let found = try a.register(Synthetic.file(1, generation: 2), on: filesystem)
    #expect(found.outcome == .replaced(old))
    for store in [a, b] { try store.close() }
  }

  @Test func aGatewayWhoseNameWasTaken() throws {
    _ = try a.registerEach(0..<2, on: filesystem)
    let new = try gateways.open("a")
    let error = #expect(throws: StoreError.self) {
      try a.register(Synthetic.file(2), on: filesystem)
    }
    #expect(error?.code == .inUse)
    try requireNodes(2)
    for store in [a, b, new] { try store.close() }
  }

  /// The server is killed before it has written some files. That it wrote the ones before them does not count.
  @Test func aWriteThatIsLostAfterOneOfNewFiles() throws {
    let store = try gateways.open("c", lease: .seconds(60))
    let filesystem = try Synthetic.attach(to: store)
    _ = try store.registerEach(0..<3, on: filesystem)
    let held = try HeldLock(of: "c", in: gateways)
    let made = try inThreads(2) { thread -> Registration? in
      if thread == 0 { return try store.register(Synthetic.file(3), on: filesystem) }
      try held.awaitOne()
      server.kill()
      try server.start()
      return nil
    }
    let node = try #require(made[0]).node
    #expect(made[0]?.outcome == .created)
    #expect(try store.node(of: Synthetic.handle(3), on: filesystem)?.id == node)
    try requireNodes(4)
    for store in [a, b, store] { try store.close() }
  }

  /// While a commit takes long, threads gather, and the next commit has the files of all of them.
  @Test func threadsShareACommit() throws {
    _ = try a.registerEach(0..<2, on: filesystem)
    let threads = 10
    _ = try inThreads(threads) { thread in
      if thread == 0 {
        server.pause()
        usleep(500_000)
        return server.resume()
      }
      usleep(100_000)
      _ = try a.register(Synthetic.file(UInt64(thread) + 10), on: filesystem)
    }
    try requireNodes(UInt64(threads) + 1)
    // Rows of one transaction have the same xmin. On a busy machine some threads come late; alone, each of
    // the nine would commit.
    try require("(SELECT count(DISTINCT xmin::text) FROM handlestore_node) <= 2 + 6")
    for store in [a, b] { try store.close() }
  }

  private func requireNodes(_ count: UInt64) throws {
    try require("(SELECT count(*) FROM handlestore_node) = \(count)")
    try require("(SELECT count(*) FROM handlestore_key) = \(count)")
  }

  /// Throws unless a condition in SQL holds.
  private func require(_ condition: String) throws {
    try DatabaseServer.run(
      "SELECT 1 / (CASE WHEN \(condition) THEN 1 ELSE 0 END)", in: gateways.database)
  }
}
