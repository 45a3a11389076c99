import Glibc
import HandleStore
import PostgresNodeIndex
import SystemPackage
import TestSupport
import Testing

/// A gateway answers from memory, and writes, only while it has its lease; and nothing hangs for good.
@Suite(.server) struct LeaseTests {
  /// A gateway that is cut off from the database.
  @Test func withoutTheDatabase() throws {
    let server = try DatabaseServer()
    let gateways = try Gateways(on: server)
    let a = try gateways.open("a", lease: .seconds(2), patience: .seconds(2))
    let filesystem = try Synthetic.attach(to: a)
    let node = try a.register(Synthetic.file(1), on: filesystem).node
    #expect(try a.node(node) != nil)
    let hits = a.statistics.cacheHits
    server.pause()
    // Within the lease, memory answers at once.
    #expect(try a.node(node)?.state == .live)
    #expect(a.statistics.cacheHits > hits)
    let start = ContinuousClock.now
    #expect(timesOut { try a.register(Synthetic.file(2), on: filesystem) })
    usleep(500_000)
    // Afterwards, nothing does.
    #expect(timesOut { try a.node(node) })
    #expect(ContinuousClock.now - start < .seconds(20))
    server.resume()
    #expect(becomes { (try? a.node(node))??.state == .live })
    #expect(try a.register(Synthetic.file(3), on: filesystem).outcome == .created)
    #expect(try a.register(Synthetic.file(3), on: filesystem).outcome == .existing)
    try a.close()
  }

  @Test func aGatewayWhoseNameWasTaken() throws {
    let gateways = try Gateways()
    let old = try gateways.open("a", lease: .seconds(1))
    let filesystem = try Synthetic.attach(to: old)
    let node = try old.register(Synthetic.file(1), on: filesystem).node
    _ = try old.node(node)
    let new = try gateways.open("a")
    #expect(try new.register(Synthetic.file(1), on: filesystem).node == node)
    #expect(throws: StoreError.self) { try old.register(Synthetic.file(2), on: filesystem) }
    let error = #expect(throws: StoreError.self) { try old.node(node) }
    #expect(error?.code == .inUse)
    #expect(error?.description.hasPrefix("another process has joined under the name a,") == true)
    #expect(try new.register(Synthetic.file(2), on: filesystem).outcome == .created)
    for store in [old, new] { try store.close() }
  }

  /// A process that is stopped for longer than its lease, while another gateway changes what it knows.
  @Test func aGatewayThatWasStopped() throws {
    let gateways = try Gateways()
    let directory = try TemporaryDirectory()
    let log = directory.appending("log")
    let worker = try Child("storeworker", ["gateway", gateways.database, "w", log.string, "1"])
    #expect(worker.line() == "writing")
    usleep(200_000)
    kill(worker.pid, SIGSTOP)
    let known = try AcknowledgementLog.lines(log).compactMap { line in
      if case .registered(let key, 1, let node) = line, key < AcknowledgementLog.firstCommonKey {
        (key, NodeID(rawValue: node))
      } else {
        nil
      }
    }
    let a = try gateways.open("a")
    let filesystem = try Synthetic.attach(to: a)
    // Its files get other generations here.
    for (key, _) in known.prefix(50) {
      _ = try a.register(Synthetic.file(key, generation: 1000), on: filesystem)
    }
    usleep(1_200_000)
    kill(worker.pid, SIGCONT)
    // It went on, and took none of them back.
    let before = try AcknowledgementLog.lines(log).count
    #expect(try becomes { try AcknowledgementLog.lines(log).count > before })
    worker.kill()
    for (key, node) in known.prefix(50) {
      #expect(try a.node(node)?.state == .stale)
      #expect(try a.node(of: Synthetic.handle(key, generation: 1), on: filesystem) == nil)
    }
    try a.close()
  }

  /// A gateway that is cut off for so long that the others no longer tell what they have changed.
  @Test func aGatewayThatWasCutOff() throws {
    let server = try DatabaseServer()
    let gateways = try Gateways(on: server)
    let directory = try TemporaryDirectory()
    let a = try gateways.open("a", lease: .seconds(1))
    // Its way to the server is a link, which can be taken away.
    let link = directory.appending("server")
    let way = try server.link(at: link, to: gateways.database)
    let b = try Store(
      shared: way, gateway: "b",
      gatewayOptions: GatewayOptions(lease: .seconds(1), patience: .seconds(1)))
    let filesystem = try Synthetic.attach(to: a)
    let nodes = try (1...2).map { try a.register(Synthetic.file($0), on: filesystem).node }
    for node in nodes { #expect(try b.node(node)?.state == .live) }
    try unlink(link)
    try DatabaseServer.run(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()",
      in: gateways.database)
    for node in nodes { try a.retire(node) }
    usleep(3_500_000)
    #expect(timesOut { try b.node(nodes[0]) })
    _ = try server.link(at: link, to: gateways.database)
    #expect(becomes { (try? b.node(nodes[0])) != nil })
    // From here on its memory counts again. The second node was not read meanwhile.
    usleep(1_000_000)
    for node in nodes { #expect(try b.node(node)?.state == .stale) }
    for store in [a, b] { try store.close() }
  }

  private func timesOut(_ body: () throws -> some Any) -> Bool {
    do {
      _ = try body()
      return false
    } catch {
      return (error as? StoreError)?.errno == .timedOut
    }
  }
}
