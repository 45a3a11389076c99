import Glibc
import HandleStore
import PostgresNodeIndex
import TestSupport
import Testing

/// A commit that waits for a standby in vain is never acknowledged.
@Suite(.server) struct StandbyTests {
  /// Runs a body with a gateway whose commits wait for a standby that is not there, and then the store with
  /// the gateway when they do not wait any more.
  private func waiting(_ body: (Store, FilesystemID, String) throws -> Void) throws {
    let server = try DatabaseServer()
    let gateways = try Gateways(on: server)
    let database = gateways.database
    let store = try gateways.open("a", lease: .seconds(60), patience: .seconds(2))
    let filesystem = try Synthetic.attach(to: store)
    _ = try store.register(Synthetic.file(1), on: filesystem)
    try DatabaseServer.run("ALTER SYSTEM SET synchronous_standby_names = 'nobody'", in: database)
    try DatabaseServer.run("SELECT pg_reload_conf()", in: database)
    usleep(100_000)
    try body(store, filesystem, database)
    try DatabaseServer.run("ALTER SYSTEM RESET synchronous_standby_names", in: database)
    try DatabaseServer.run("SELECT pg_reload_conf()", in: database)
    #expect(becomes { (try? store.register(Synthetic.file(3), on: filesystem)) != nil })
    try store.close()
  }

  @Test func aCommitThatIsCancelled() throws {
    try waiting { store, filesystem, database in
      let errors = try inThreads(2) { thread -> StoreError? in
        if thread == 0 {
          return #expect(throws: StoreError.self) {
            try store.register(Synthetic.file(2), on: filesystem)
          }
        }
        usleep(300_000)
        try DatabaseServer.run(
          "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'",
          in: database)
        return nil
      }
      #expect(errors[0]?.errno == .timedOut)
    }
  }

  /// A server that was replaced while it was stopped goes on as if nothing had happened.
  @Test func aServerThatWasReplaced() throws {
    let (old, new) = (try DatabaseServer(), try DatabaseServer())
    let (atOld, atNew) = (try old.database(), try new.database())
    let host = atNew.split(separator: " ")[0].dropFirst("host=".count)
    func open(_ database: String, _ name: String) throws -> Store {
      try Store(
        shared: database, gateway: name,
        gatewayOptions: GatewayOptions(lease: .seconds(2), patience: .seconds(3)))
    }
    let a = try open(atOld.replacing(" user", with: ",\(host) user"), "a")
    let filesystem = try Synthetic.attach(to: a)
    let node = try a.register(Synthetic.file(1), on: filesystem).node
    old.kill()
    new.kill()
    try old.copyData(to: new)
    try old.start()
    // A thread that reads leaves a connection to this server.
    #expect(becomes { (try? a.node(of: Synthetic.handle(1), on: filesystem))??.id == node })
    old.pause()
    try new.start()
    let b = try open(atNew, "b")
    #expect(try b.retire(node))
    #expect(becomes { (try? a.register(Synthetic.file(2), on: filesystem)) != nil })
    old.resume()
    #expect(try a.node(node)?.state == .stale)
    #expect(try a.node(of: Synthetic.handle(1), on: filesystem) == nil)
    for store in [a, b] { try store.close() }
  }
}
