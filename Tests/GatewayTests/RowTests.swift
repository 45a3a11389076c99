import Glibc
import HandleStore
import PostgresNodeIndex
import SystemPackage
import TestSupport
import Testing

/// The rows that gateways leave, and those that they need.
@Suite(.server) struct RowTests {
  @Test func aGatewayThatClosesLeavesNoRow() throws {
    let gateways = try Gateways()
    for round in 0..<3 as Range<UInt64> {
      let a = try gateways.open("a")
      let filesystem = try Synthetic.attach(to: a)
      _ = try a.registerEach(round * 10..<round * 10 + 10, on: filesystem)
      try a.close()
    }
    try gateways.require("(SELECT count(*) FROM handlestore_gateway) = 0")
    try gateways.require("(SELECT nodes FROM handlestore_store) = 30")
  }

  /// Somebody has removed the row of a gateway that was away for a day. It goes on under a new id, with
  /// new numbers for its changes, and the others hear of them.
  @Test func aGatewayWhoseRowIsGone() throws {
    let gateways = try Gateways()
    let a = try gateways.open("a", lease: .seconds(1))
    let b = try gateways.open("b", lease: .seconds(3))
    let filesystem = try Synthetic.attach(to: a)
    let nodes = try a.registerEach(1...50, on: filesystem).map(\.node)
    _ = try Synthetic.attach(to: b)
    // The first changes are told for long enough when the row is gone.
    let start = ContinuousClock.now
    for node in nodes.prefix(40) {
      try a.retire(node)
      usleep(40_000)
    }
    while ContinuousClock.now - start < .milliseconds(6300) { usleep(10_000) }
    for node in nodes { _ = try b.node(node) }
    try DatabaseServer.run(
      "DELETE FROM handlestore_gateway WHERE name = 'a'", in: gateways.database)
    for node in nodes.suffix(10) { try a.retire(node) }
    #expect(becomes { (try? nodes.allSatisfy { try b.node($0)?.state == .stale }) ?? false })
    #expect(try a.register(Synthetic.file(99), on: filesystem).outcome == .created)
    for store in [a, b] { try store.close() }
  }

  /// A change waits for the gateway with the longest lease, not only for those with leases as long as that
  /// of the gateway that made it.
  @Test func aChangeWaitsForALongLease() throws {
    let gateways = try Gateways()
    let a = try gateways.open("a", lease: .seconds(1))
    let filesystem = try Synthetic.attach(to: a)
    let node = try a.register(Synthetic.file(1), on: filesystem).node
    let b = try gateways.open("b", lease: .seconds(25))
    _ = try Synthetic.attach(to: b)
    _ = try b.node(node)
    try a.retire(node)
    // The next heartbeat of b is 5 seconds after its first one.
    let end = ContinuousClock.now + .seconds(15)
    while try b.node(node)?.state == .live, ContinuousClock.now < end { usleep(50_000) }
    #expect(try b.node(node)?.state == .stale)
    for store in [a, b] { try store.close() }
  }

  /// All tables are made, or none.
  @Test func aStoreIsMadeAsAWhole() throws {
    let gateways = try Gateways()
    try DatabaseServer.run("CREATE TABLE handlestore_lock (x int)", in: gateways.database)
    #expect(throws: StoreError.self) { try gateways.open("a") }
    try gateways.require("to_regclass('handlestore_store') IS NULL")
    try DatabaseServer.run("DROP TABLE handlestore_lock", in: gateways.database)
    try gateways.open("a").close()
  }

  /// A store that is opened for reading only needs no row, and changes nothing.
  @Test func aReader() throws {
    let gateways = try Gateways()
    #expect(throws: StoreError.noStore(path: "the database")) {
      try Store(shared: gateways.database)
    }
    let a = try gateways.open("a")
    let filesystem = try Synthetic.attach(to: a)
    let reader = try Store(shared: gateways.database)
    let node = try a.register(Synthetic.file(1), on: filesystem).node
    #expect(try reader.node(node)?.state == .live)
    #expect(try reader.attachMounted() == [filesystem])
    #expect(throws: StoreError.readOnly) { try reader.retire(node) }
    #expect(throws: StoreError.readOnly) {
      try reader.register(Synthetic.file(2), on: filesystem)
    }
    #expect(throws: StoreError.readOnly) {
      try reader.watch(node, mask: .delete, by: WatcherID(rawValue: 1))
    }
    try a.retire(node)
    #expect(try reader.node(node)?.state == .stale)
    try gateways.require("(SELECT count(*) FROM handlestore_gateway) = 1")
    try reader.close()
    #expect(throws: StoreError.closed) { try reader.node(node) }
    try a.close()
  }
}
