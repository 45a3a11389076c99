import Glibc
import HandleStore
import PostgresNodeIndex
import SystemPackage
import TestSupport
import Testing

/// A process goes on with the cache of one that was killed, and misses nothing that happened meanwhile.
@Suite(.server, .serialized) struct SuccessionTests {
  private let gateways: Gateways
  private let directory: TemporaryDirectory
  private static let files: UInt64 = 500

  init() throws {
    (gateways, directory) = (try Gateways(), try TemporaryDirectory())
  }

  private var cache: String { directory.appending("cache").string }

  private func openNext() throws -> Store {
    try Store(
      shared: gateways.database, cache: FilePath(cache), gateway: "a",
      options: StoreOptions(cacheSize: 1),
      gatewayOptions: GatewayOptions(lease: .seconds(30), patience: .seconds(10)))
  }

  /// Kills a gateway that has told the database to retire the first of its nodes, before the answer comes.
  /// Returns its nodes.
  private func killWhileItRetires() throws -> [NodeID] {
    let worker = try Child(
      "storeworker", ["cached", gateways.database, "a", cache, "\(Self.files)"])
    let first = try #require(worker.line().flatMap { UInt64($0) })
    // A heartbeat, after which the nodes count as known.
    usleep(1_200_000)
    let held = try HeldLock(
      in: gateways, by: "SELECT FROM handlestore_node WHERE id = \(first) FOR UPDATE")
    worker.send("\(first)")
    try held.awaitOne()
    worker.kill()
    held.release()
    #expect(try becomes { try isStale(first) })
    return (0..<Self.files).map { NodeID(rawValue: first + $0) }
  }

  private func isStale(_ id: UInt64) throws -> Bool {
    (try? gateways.require(
      "EXISTS (SELECT FROM handlestore_node WHERE id = \(id) AND state <> 1)")) != nil
  }

  /// The database knows of the last change of the process that was killed, and its cache does not. The next
  /// one loses its connection before it has heard of that.
  @Test func theNextConnectionBreaksAtOnce() throws {
    let nodes = try killWhileItRetires()
    // Joining does not read this table, and the first renewal does.
    let held = try HeldLock(
      in: gateways, by: "LOCK TABLE handlestore_filesystem IN ACCESS EXCLUSIVE MODE")
    let stores = try inThreads(2) { thread -> Store? in
      if thread == 0 { return try openNext() }
      try held.awaitOne()
      try gateways.run("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted")
      held.release()
      return nil
    }
    let next = try #require(stores[0])
    #expect(try next.node(nodes[0])?.state == .stale)
    try next.close()
  }
}
