import Glibc
import TestSupport
import Testing

@testable import HandleStore
@testable import PostgresNodeIndex

/// What a gateway relies on when its lease is over, or it has joined again.
@Suite(.server) struct RejoiningTests {
  /// A server that was replaced while it was stopped goes on for a moment: it answers, and cannot commit.
  /// To register a known file, nothing is committed.
  @Test func aKnownFile() throws {
    let server = try DatabaseServer()
    let gateways = try Gateways(on: server)
    let index = try PostgresNodeIndex(
      gateways.database, gateway: "a", StoreOptions(cacheSize: 0), lease: .seconds(60),
      patience: .seconds(1))
    let filesystem = try attach(to: index)
    func register() throws -> RegistrationAttempt {
      try index.register(Synthetic.file(1), on: filesystem, Survivors())
    }
    _ = try register()
    let held = try HeldCommits(in: gateways)
    let lease = try index.writer.lease
    _ = try register()
    // As if it were over.
    lease.giveBack()
    let error = #expect(throws: (any Error).self) { try register() }
    #expect((error.map { index.describe($0) })?.errno == .timedOut)
    try held.release()
    #expect(becomes { (try? register()) != nil })
    #expect(!lease.isOver)
    try index.close()
  }

  private func attach(to index: PostgresNodeIndex) throws -> FilesystemID {
    let identity = FilesystemIdentity(
      magic: .tmpfs, uuid: [1], root: nil, volume: "", birth: "", seed: "")
    try index.record(FilesystemID(rawValue: 1)) { _ in KnownFilesystem(identity: identity) }
    return FilesystemID(rawValue: 1)
  }

  /// The machine of a gateway was put back to an earlier state, with its memory: it has ids that it has
  /// given to files since.
  @Test func aProcessThatWasPutBack() throws {
    let gateways = try Gateways()
    let index = try PostgresNodeIndex(
      gateways.database, gateway: "a", StoreOptions(), lease: .seconds(60), patience: .seconds(2))
    let filesystem = try attach(to: index)
    func register(_ number: UInt64) throws -> NodeID {
      try node(number, of: index, on: filesystem)
    }
    _ = try register(1)
    let state = try index.writer.state.withLock { ($0.membership, $0.ids) }
    let given = try register(2)
    // Nobody knows of it any more.
    try gateways.run("DELETE FROM handlestore_node WHERE id = \(given.rawValue)")
    try gateways.run("DELETE FROM handlestore_key WHERE node = \(given.rawValue)")
    try index.writer.state.withLock {
      ($0.membership, $0.ids, $0.connection) = (state.0, state.1, nil)
    }
    #expect(try register(3) != given)
    try index.close()
  }

  /// A confirmation was lost, and joining again failed, too, because somebody had a lock. The connection is
  /// fine by now.
  @Test func theNextWriteAfterALostConfirmation() throws {
    let gateways = try Gateways()
    let index = try PostgresNodeIndex(
      gateways.database, gateway: "a", StoreOptions(), lease: .seconds(60), patience: .seconds(2))
    let filesystem = try attach(to: index)
    let nodes = try (1...2 as ClosedRange<UInt64>).map { try node($0, of: index, on: filesystem) }
    let before = try index.writer.state.withLock { $0.membership }
    #expect(try index.retire(nodes[0], ifItIs: nil))
    try index.writer.state.withLock { ($0.membership, $0.unsettled) = (before, before.writes + 1) }
    #expect(try index.retire(nodes[1], ifItIs: nil))
    try gateways.require("(SELECT changes FROM handlestore_gateway) = 2")
    try index.close()
  }

  /// To introduce a filesystem a process takes a lock over a connection of its own.
  @Test func aLockWaitsForTheDatabase() throws {
    let server = try DatabaseServer()
    let store = try Gateways(on: server).open("a", lease: .seconds(60), patience: .seconds(20))
    server.kill()
    _ = try inThreads(2) { thread in
      if thread == 0 {
        _ = try Synthetic.attach(to: store)
      } else {
        usleep(500_000)
        try server.start()
      }
    }
    try store.close()
  }

  /// The database went back to before some changes, so the next ones have their numbers.
  @Test func numbersOfChangesComeBack() throws {
    let server = try DatabaseServer()
    let gateways = try Gateways(on: server)
    let index = try PostgresNodeIndex(
      gateways.database, gateway: "a", StoreOptions(), lease: .seconds(60), patience: .seconds(20))
    let filesystem = try attach(to: index)
    let nodes = try (1...2 as ClosedRange<UInt64>).map { try node($0, of: index, on: filesystem) }
    server.kill()
    try server.saveData()
    try server.start()
    #expect(try index.retire(nodes[0], ifItIs: nil))
    server.kill()
    try server.putBackData()
    try server.start()
    #expect(try index.retire(nodes[1], ifItIs: nil))
    // Otherwise the old number would soon say that all have heard of the new change.
    #expect(try index.writer.state.withLock { $0.told.count } == 1)
    try index.close()
  }

  private func node(
    _ number: UInt64, of index: PostgresNodeIndex, on filesystem: FilesystemID
  ) throws -> NodeID {
    let attempt = try index.register(Synthetic.file(number), on: filesystem, Survivors())
    guard case .done(let done) = attempt else { throw StoreError.closed }
    return done.node
  }
}
