import Glibc
import HandleStore
import PostgresNodeIndex
import TestSupport
import Testing

/// A commit that waits for a standby in vain is never acknowledged, and a server that was replaced is not believed.
@Suite(.server) struct StandbyTests {
  @Test func aCommitThatIsCancelled() throws {
    let server = try DatabaseServer()
    let gateways = try Gateways(on: server)
    let store = try gateways.open("a", lease: .seconds(60), patience: .seconds(2))
    let filesystem = try Synthetic.attach(to: store)
    _ = try store.register(Synthetic.file(1), on: filesystem)
    let held = try HeldCommits(in: gateways)
    let errors = try inThreads(2) { thread -> StoreError? in
      if thread == 0 {
        return #expect(throws: StoreError.self) {
          try store.register(Synthetic.file(2), on: filesystem)
        }
      }
      try held.awaitOne()
      try gateways.run(
        "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
      return nil
    }
    #expect(errors[0]?.errno == .timedOut)
    try held.release()
    #expect(becomes { (try? store.register(Synthetic.file(3), on: filesystem)) != nil })
    try store.close()
  }

  /// A server that can no longer commit may have been replaced, so what it says does not count.
  @Test func aServerThatCannotCommit() throws {
    let server = try DatabaseServer()
    let gateways = try Gateways(on: server)
    let store = try gateways.open("a", lease: .seconds(1), patience: .seconds(1))
    let filesystem = try Synthetic.attach(to: store)
    let handle = Synthetic.handle(1)
    let node = try store.register(Synthetic.file(1), on: filesystem).node
    let held = try HeldCommits(in: gateways)
    #expect(becomes { (try? store.node(of: handle, on: filesystem)) == nil })
    let error = #expect(throws: StoreError.self) { try store.node(of: handle, on: filesystem) }
    #expect(error?.errno == .timedOut)
    try held.release()
    #expect(becomes { (try? store.node(of: handle, on: filesystem))??.id == node })
    try store.close()
  }

  /// A server that was replaced while it was stopped goes on as if nothing had happened.
  @Test func aServerThatWasReplaced() throws {
    let servers = try Replacement()
    let a = try servers.open(servers.both, "a", patience: .seconds(3))
    let filesystem = try Synthetic.attach(to: a)
    let node = try a.register(Synthetic.file(1), on: filesystem).node
    try servers.copy()
    // A thread that reads leaves a connection to this server.
    #expect(becomes { (try? a.node(of: Synthetic.handle(1), on: filesystem))??.id == node })
    servers.old.pause()
    try servers.new.start()
    let b = try servers.open(servers.atNew, "b", patience: .seconds(3))
    #expect(try b.retire(node))
    #expect(becomes { (try? a.register(Synthetic.file(2), on: filesystem)) != nil })
    servers.old.resume()
    #expect(try a.node(node)?.state == .stale)
    #expect(try a.node(of: Synthetic.handle(1), on: filesystem) == nil)
    for store in [a, b] { try store.close() }
  }

  /// A server that was replaced answers what it was asked before.
  @Test func anAnswerOfAServerThatWasReplaced() throws {
    let servers = try Replacement()
    let a = try servers.open(servers.both, "a", patience: .seconds(20))
    let filesystem = try Synthetic.attach(to: a)
    let node = try a.register(Synthetic.file(1), on: filesystem).node
    try servers.copy()
    #expect(becomes { (try? a.node(of: Synthetic.handle(1), on: filesystem))??.id == node })
    let held = try HeldLock(
      in: servers.atOld, by: "LOCK TABLE handlestore_key IN ACCESS EXCLUSIVE MODE")
    let answers = try inThreads(2) { thread in
      if thread == 0 { return try a.node(of: Synthetic.handle(1), on: filesystem) }
      try held.awaitOne()
      try servers.new.start()
      let b = try servers.open(servers.atNew, "b", patience: .seconds(20))
      #expect(try b.retire(node))
      try servers.demote()
      #expect(try a.register(Synthetic.file(2), on: filesystem).outcome == .created)
      held.release()
      try b.close()
      return nil
    }
    #expect(answers[0] == nil)
    try a.close()
  }
}

extension StandbyTests {
  /// A server takes the place of one that was the only one to know that a process had joined under a name.
  @Test func aGatewayOfWhichTheDatabaseKnowsNothing() throws {
    let servers = try Replacement()
    let former = try servers.open(servers.atOld, "a", patience: .seconds(20))
    try servers.copy()
    let next = try servers.open(servers.both, "a", patience: .seconds(20))
    let filesystem = try Synthetic.attach(to: next)
    #expect(becomes { (try? Synthetic.attach(to: former)) == nil })
    servers.old.kill()
    try servers.new.start()
    let node = try next.register(Synthetic.file(1), on: filesystem).node
    #expect(try next.node(node)?.state == .live)
    let error = #expect(throws: StoreError.self) { try former.node(node) }
    #expect(error?.code == .inUse)
    for store in [former, next] { try store.close() }
  }
}

/// A server, and one that takes its place.
private struct Replacement {
  let (old, new): (DatabaseServer, DatabaseServer)
  let (atOld, atNew): (Gateways, Gateways)
  /// Leads to whichever takes writes.
  let both: Gateways

  init() throws {
    (old, new) = (try DatabaseServer(), try DatabaseServer())
    (atOld, atNew) = (try Gateways(on: old), try Gateways(on: new))
    let host = atNew.database.split(separator: " ")[0].dropFirst("host=".count)
    both = Gateways(at: atOld.database.replacing(" user", with: ",\(host) user"))
  }

  func open(_ gateways: Gateways, _ name: String, patience: Duration) throws -> Store {
    try gateways.open(name, lease: .seconds(2), patience: patience)
  }

  /// Gives the new server, which is not started, all that the old one has.
  func copy() throws {
    for server in [old, new] { server.kill() }
    try old.copyData(to: new)
    try old.start()
  }

  /// Makes the old server take no more writes. It ends sessions, but not those that wait for a lock, and not
  /// the one that has it.
  func demote() throws {
    try atOld.run("ALTER SYSTEM SET default_transaction_read_only = on")
    try atOld.run("SELECT pg_reload_conf()")
    let isReadOnly = "current_setting('default_transaction_read_only') = 'on'"
    #expect(becomes { (try? atOld.require(isReadOnly)) != nil })
    try atOld.run(
      """
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
        AND state <> 'idle in transaction' AND wait_event_type IS DISTINCT FROM 'Lock'
      """)
  }
}
