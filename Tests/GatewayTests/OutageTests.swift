import Glibc
import HandleStore
import SystemPackage
import TestSupport
import Testing

/// A database that is away for longer than a call waits for it.
@Suite(.server) struct OutageTests {
  /// The server commits, is killed before it can say so, and stays away.
  @Test func aConfirmationThatIsLostForLong() throws {
    let server = try DatabaseServer()
    let gateways = try Gateways(on: server)
    let store = try gateways.open("a", lease: .seconds(60), patience: .seconds(2))
    let filesystem = try Synthetic.attach(to: store)
    let node = try store.register(Synthetic.file(1), on: filesystem).node
    let watched = try store.register(Synthetic.file(2), on: filesystem).node
    try store.watch(watched, mask: .deleteSelf, by: WatcherID(rawValue: 1))
    for node in [node, watched] { #expect(try store.node(node)?.state == .live) }
    func losing<R: Sendable>(_ change: @escaping @Sendable () throws -> R) throws {
      try losingConfirmation(on: server, in: gateways) {
        let error = #expect(throws: StoreError.self) { _ = try change() }
        #expect(error?.errno == .timedOut)
      }
    }
    try losing { try store.register(Synthetic.file(3), on: filesystem) }
    // The id that may have been used is not used again.
    let new = try store.register(Synthetic.file(4), on: filesystem)
    let lost = try store.register(Synthetic.file(3), on: filesystem)
    #expect(new.outcome == .created && lost.outcome == .existing && new.node != lost.node)
    try losing { try store.retire(node) }
    #expect(try store.register(Synthetic.file(5), on: filesystem).outcome == .created)
    #expect(try store.node(node)?.state == .stale)
    try store.retire(watched)
    try losing { try store.deletions() }
    #expect(try store.register(Synthetic.file(6), on: filesystem).outcome == .created)
    // Nobody was told of the deletion, and it is not forgotten when another confirmation is lost, however
    // soon the server is back, or when a call that would tell of it cannot go on.
    try losingConfirmation(on: server, in: gateways, away: .zero) {
      _ = try? store.register(Synthetic.file(7), on: filesystem)
    }
    let next = try store.register(Synthetic.file(8), on: filesystem).node
    try store.watch(next, mask: .deleteSelf, by: WatcherID(rawValue: 1))
    try store.retire(next)
    let held = try HeldLock(in: gateways, by: "LOCK TABLE handlestore_limbo IN EXCLUSIVE MODE")
    #expect(throws: StoreError.self) { try store.deletions() }
    held.release()
    let told = try store.deletions()
    #expect(told.overflowed && told.nodes == [next])
    try store.close()
  }

  /// Closing does not wait for calls that wait for the database, one after the other: they give up.
  @Test func closingDoesNotWaitForAll() throws {
    let server = try DatabaseServer()
    let gateways = try Gateways(on: server)
    let store = try gateways.open("a", lease: .seconds(60), patience: .seconds(5))
    let filesystem = try Synthetic.attach(to: store)
    let nodes = try (0..<8).map { try store.register(Synthetic.file($0), on: filesystem).node }
    server.pause()
    let errors = try inThreads(9) { thread -> StoreError? in
      if thread < 8 { return #expect(throws: StoreError.self) { try store.retire(nodes[thread]) } }
      usleep(500_000)
      try? store.close()
      return nil
    }
    server.resume()
    // The one that the others wait for may have waited in vain.
    #expect(errors.filter { $0?.code == .closed }.count >= 7, "\(errors)")
  }
}

/// Runs a body whose change takes effect, while the server does not say so and is away for a while.
func losingConfirmation(
  on server: DatabaseServer, in gateways: Gateways, away: Duration = .seconds(4),
  _ body: @escaping @Sendable () throws -> Void
) throws {
  let held = try HeldCommits(in: gateways)
  _ = try inThreads(2) { thread in
    guard thread == 1 else { return try body() }
    try held.awaitOne()
    server.kill()
    usleep(useconds_t(away / .microseconds(1)))
    try server.resetSettings()
    try server.start()
  }
}
