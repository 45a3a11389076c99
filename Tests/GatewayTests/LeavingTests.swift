import Glibc
import Synchronization
import TestSupport
import Testing

@testable import HandleStore
@testable import PostgresNodeIndex

/// What a gateway's end means for the nodes that its clients hold, and for others that want to drop some.
@Suite(.server) struct LeavingTests {
  private static let bounded = StoreOptions(retention: .nodes(0))

  /// A call that pins a node while the store is being closed. Either it fails and pins nothing, or the gateway
  /// is remembered as one whose clients hold nodes.
  @Test func aPinBesideTheEnd() throws {
    let gateways = try Gateways()
    let memory = try MemoryFile()
    try gateways.open("first").close()
    let underWay = Atomic(0)
    for round in 0..<60 as Range<UInt64> {
      let store = try gateways.open("a", Self.bounded)
      let filesystem = try Synthetic.attach(to: store)
      let pins = try store.pins(in: memory.descriptor)
      _ = try store.evict()
      let isClosing = Atomic(false)
      _ = try inThreads(4) { thread in
        if thread == 0 {
          usleep(UInt32(1000 + round * 50))
          isClosing.store(true, ordering: .sequentiallyConsistent)
          try store.close()
          return
        }
        var inode = round * 10_000 + UInt64(thread) * 2000
        while !isClosing.load(ordering: .sequentiallyConsistent) {
          let file = Synthetic.file(inode)
          let found = try? store.register(file, on: filesystem, pinnedBy: pins)
          inode += 1
          if isClosing.load(ordering: .sequentiallyConsistent) {
            underWay.wrappingAdd(1, ordering: .relaxed)
          } else if let found {
            pins.unpin(found.node)
          }
        }
      }
      if pins.nodeCount > 0 {
        try gateways.require(
          "EXISTS (SELECT FROM handlestore_gateway WHERE name = 'a' AND has_pins)")
      }
      pins.unpinAll()
    }
    #expect(underWay.load(ordering: .relaxed) > 0)
  }

  /// A row as a gateway leaves it that was killed.
  enum Away: CaseIterable {
    case withPins, forAMoment, forLong

    var hasPins: Bool { self == .withPins }
    var hours: Double { self == .forAMoment ? 0.9 : 1.1 }
  }

  /// Only a gateway with pins is waited for as long as it takes. A gateway without pins cannot hold nodes once its
  /// lease is over.
  @Test(arguments: Away.allCases) func aGatewayThatWasKilled(_ away: Away) throws {
    let gateways = try Gateways()
    let a = try gateways.open("a", lease: .seconds(1), Self.bounded)
    try gateways.run(
      """
      INSERT INTO handlestore_gateway (id, name, session, epoch, lease_until, lease_milliseconds,
        writes, changes, nodes, agreed, has_pins)
      VALUES (1, 'killed', 1, 1, clock_timestamp() - \(away.hours) * interval '1 hour', 10000, 0, 0, 0, 0,
        \(away.hasPins))
      """)
    let filesystem = try Synthetic.attach(to: a)
    for inode in 0..<4 as Range<UInt64> {
      _ = try a.register(Synthetic.file(inode), on: filesystem)
    }
    switch away {
    case .forLong: #expect(try a.evict() == 4)
    case .withPins, .forAMoment:
      let error = #expect(throws: StoreError.self) { try a.evict() }
      #expect(error?.description.contains("the gateway killed may hold them") == true)
    }
    try a.close()
  }

  /// Two gateways drop nodes at once, each others than the other one: no more go than may.
  @Test func twoThatDrop() throws {
    let gateways = try Gateways()
    let stores = try ["a", "b"].map { try gateways.open($0, Self.bounded) }
    let filesystem = try stores.map { try Synthetic.attach(to: $0) }[0]
    for store in stores { _ = try store.evict() }
    let nodes = try stores[0].register(
      batch: (0..<20 as Range<UInt64>).map { Synthetic.file($0) }, on: filesystem
    ).map(\.node)
    let indexes = try stores.map { try #require($0.index as? PostgresNodeIndex) }
    let parts = [Array(nodes[..<10]), Array(nodes[10...])]
    for (index, part) in zip(indexes, parts) {
      #expect(try index.agreement(on: Dropping(ids: part, isHeld: { _ in false })).ids == part)
    }
    @Sendable func drop(_ place: Int) throws -> Int {
      try indexes[place].drop(Dropping(ids: parts[place], isHeld: { _ in false }, leaving: 15))
    }
    let held = try HeldLock(of: "a", in: gateways)
    let dropped = try inThreads(2) { thread in
      if thread == 0 { return try drop(0) }
      try held.awaitOne()
      defer { held.release() }
      return try drop(1)
    }
    #expect(dropped == [0, 5])
    #expect(try stores[0].count() == 15)
    for store in stores { try store.close() }
  }
}

extension Store {
  fileprivate func count() throws -> Int { try index.count() }
}
