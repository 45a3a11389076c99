import Glibc
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import HandleStore
@testable import PostgresNodeIndex

/// Nodes of a store that several gateways share are dropped only if no gateway holds them.
@Suite(.server) struct EvictionTests {
  private static let bounded = StoreOptions(retention: .nodes(0))

  /// A gateway with a client's pins.
  private struct Server {
    let store: Store
    let memory: MemoryFile
    let pins: Pins
    let filesystem: FilesystemID

    /// - Parameter memory: the pins of an earlier server; `nil` for new ones.
    init(
      _ name: String, of gateways: Gateways, _ options: StoreOptions = bounded,
      pins memory: MemoryFile? = nil
    ) throws {
      store = try gateways.open(name, lease: .seconds(2), options)
      filesystem = try Synthetic.attach(to: store)
      self.memory = try memory ?? MemoryFile()
      pins = try store.pins(in: self.memory.descriptor)
    }

    func look(up inodes: Range<UInt64>) throws -> [NodeID] {
      try inodes.map { try store.register(Synthetic.file($0), on: filesystem, pinnedBy: pins).node }
    }

    var index: PostgresNodeIndex {
      get throws { try #require(store.index as? PostgresNodeIndex) }
    }

    /// Returns what the other gateways agree to.
    func propose(_ nodes: [NodeID]) throws -> [NodeID] {
      try index.agreement(on: Dropping(ids: nodes, isHeld: { _ in false })).ids
    }

    func drop(_ nodes: [NodeID]) throws -> Int {
      try index.drop(Dropping(ids: nodes, isHeld: { _ in false }))
    }

    func end() throws { try store.close() }
  }

  @Test func whatAnotherGatewayHoldsStays() throws {
    let gateways = try Gateways()
    let (a, b) = (try Server("a", of: gateways), try Server("b", of: gateways))
    let nodes = try a.look(up: 0..<20)
    #expect(try b.look(up: 10..<20) == Array(nodes[10...]))
    a.pins.unpinAll()
    #expect(try a.store.evict() == 10)
    for node in nodes[..<10] { #expect(try becomes { try b.store.node(node) == nil }) }
    for node in nodes[10...] { #expect(try a.store.node(node)?.state == .live) }
    // And when that one gives them back, they go, too.
    b.pins.unpinAll()
    #expect(try a.store.evict() == 10)
    #expect(try a.store.nodes().nodes.isEmpty)
    for server in [a, b] { try server.end() }
  }

  /// Nodes that a gateway gets to hold before and after it has agreed that they go.
  @Test func aNodeThatIsLookedUpMeanwhileStays() throws {
    let gateways = try Gateways()
    let (a, b) = (try Server("a", of: gateways), try Server("b", of: gateways))
    var dropped = 0
    for round in 0..<5 as Range<UInt64> {
      let inodes = round * 1000..<round * 1000 + 200
      let nodes = try a.look(up: inodes)
      a.pins.unpinAll()
      let looked = try inThreads(2) { thread -> [NodeID] in
        if thread == 0 { return Array(nodes.prefix(try a.store.evict())) }
        return try inodes.flatMap { inode in
          usleep(5_000)
          return try b.look(up: inode..<inode + 1)
        }
      }
      for node in looked[1] {
        #expect(b.pins.count(of: node) == 1)
        #expect(try a.store.node(node)?.state == .live, "node \(node)")
      }
      #expect(Set(looked[1]).count == 200)
      #expect(zip(looked[1], nodes).count { $0 != $1 } == looked[0].count)
      dropped += looked[0].count
      b.pins.unpinAll()
      #expect(try a.store.evict() == 200)
    }
    #expect((1..<1000).contains(dropped), "\(dropped) were dropped")
    for server in [a, b] { try server.end() }
  }

  /// The pins of a gateway that was killed hold until the next one under its name has taken them up.
  @Test func aKilledGatewayHoldsItsNodes() throws {
    let gateways = try Gateways()
    let a = try Server("a", of: gateways)
    let nodes = try a.look(up: 0..<4)
    a.pins.unpinAll()
    let killed = try Server("b", of: gateways)
    _ = try killed.look(up: 0..<2)
    // Its row and its pins are what a kill would leave.
    try killed.index.gateway?.lease.revoke()
    let b = try gateways.open("b", lease: .seconds(2), Self.bounded)
    expectBusy { try a.store.evict() }
    let pins = try b.pins(in: killed.memory.descriptor)
    expectBusy { try a.store.evict() }
    // This says that there are no more.
    #expect(try b.evict(stale: .seconds(0)) == 0)
    #expect(try a.store.evict() == 2)
    #expect(try nodes.map { try b.node($0) != nil } == [true, true, false, false])
    pins.unpinAll()
    try b.close()
    #expect(try a.store.evict() == 2)
    try a.end()
  }

  @Test func aGatewayThatIsAwayHoldsItsNodesUntilItIsRemoved() throws {
    let gateways = try Gateways()
    let a = try Server("a", of: gateways)
    _ = try a.look(up: 0..<4)
    a.pins.unpinAll()
    let b = try Server("b", of: gateways)
    _ = try b.look(up: 0..<1)
    // It ends in good order, but its client goes on.
    try b.end()
    expectBusy { try a.store.evict() }
    let shared = SharedStore(gateways.database)
    #expect(throws: StoreError.self) { try shared.remove(gateway: "a") }
    #expect(throws: StoreError.self) { try shared.remove(gateway: "nobody") }
    #expect(becomes { (try? shared.remove(gateway: "b")) != nil })
    #expect(try a.store.evict() == 4)
    try a.end()
  }

  /// A gateway that keeps nodes forever keeps the live ones for all. Stale ones may go.
  @Test func aGatewayThatKeepsNodesForever() throws {
    let gateways = try Gateways()
    let a = try Server("a", of: gateways)
    let b = try gateways.open("b", lease: .seconds(1))
    let nodes = try a.look(up: 0..<4)
    a.pins.unpinAll()
    #expect(try a.store.evict() == 0)
    try a.store.retire(nodes[0])
    #expect(try b.evict(stale: .seconds(0)) == 1)
    #expect(try becomes { try a.store.node(nodes[0]) == nil })
    try b.close()
    #expect(try a.store.evict() == 3)
    try a.end()
  }

  /// The root of an open export is held without pins.
  @Test(.serverAndMounts) func theRootOfAnExportStays() throws {
    let directory = try TemporaryDirectory()
    let gateways = try Gateways()
    let stores = try ["a", "b"].map {
      try gateways.open($0, lease: .seconds(1), Self.bounded)
    }
    for store in stores { _ = try store.attach(directory.path) }
    let root = try FileDescriptor.open(directory.path, .readOnly, options: .directory)
    let export = try stores[1].addExport("e", roots: [root], isReadOnly: true)
    try root.close()
    #expect(try stores[0].evict() == 0)
    #expect(try stores[0].node(export.root)?.state == .live)
    withExtendedLifetime(export) {}
    for store in stores { try store.close() }
  }

  /// A gateway has agreed that nodes go, and then gets to hold them in different ways.
  @Test func whatIsHeldAfterTheAgreementStays() throws {
    let gateways = try Gateways()
    let (a, b) = (try Server("a", of: gateways), try Server("b", of: gateways))
    let nodes = try a.look(up: 0..<8)
    a.pins.unpinAll()
    #expect(try a.propose(nodes) == nodes)
    let files = (0..<3 as Range<UInt64>).map { Synthetic.file($0) }
    let found = try b.store.register(batch: files, on: b.filesystem, pinnedBy: b.pins)
    #expect(found.map(\.node) == Array(nodes[..<3]))
    #expect(try b.store.pin(nodes[3], by: b.pins))
    // A client that comes with what it holds.
    let memory = try MemoryFile()
    try memory.descriptor.writeAll(
      toAbsoluteOffset: Int64(nodes[4].rawValue) * 8, Synthetic.little(UInt64(1)))
    _ = try b.store.pins(in: memory.descriptor)
    #expect(try a.drop(nodes) == 3)
    // It may have the others in memory until its next heartbeat.
    let areThere = (0..<8).map { $0 < 5 }
    #expect(try becomes { try nodes.map { try b.store.node($0) != nil } == areThere })
    for server in [a, b] { try server.end() }
  }

  enum Way: CaseIterable { case file, batch, id }

  /// A gateway that cannot object does not keep the pin either: its client was not told of the node.
  @Test(arguments: Way.allCases) func aPinThatCannotBeKeptIsTakenBack(_ way: Way) throws {
    let gateways = try Gateways()
    let (a, b) = (try Server("a", of: gateways), try Server("b", of: gateways))
    let nodes = try a.look(up: 0..<2)
    let files = (0..<2 as Range<UInt64>).map { Synthetic.file($0) }
    _ = try b.store.register(batch: files, on: b.filesystem)
    a.pins.unpinAll()
    #expect(try a.propose(nodes) == nodes)
    let successor = try gateways.open("b", Self.bounded)
    #expect(throws: StoreError.self) {
      switch way {
      case .file: _ = try b.look(up: 0..<1)
      case .batch: _ = try b.store.register(batch: files, on: b.filesystem, pinnedBy: b.pins)
      case .id: _ = try b.store.pin(nodes[0], by: b.pins)
      }
    }
    #expect(b.pins.nodeCount == 0)
    try successor.close()
    try a.end()
  }

  /// If a gateway does not know whether it has dropped a node, it lets nobody hold it.
  @Test func aDropWhoseConfirmationIsLost() throws {
    let server = try DatabaseServer()
    let gateways = try Gateways(on: server)
    let store = try gateways.open("a", lease: .seconds(60), patience: .seconds(1), Self.bounded)
    let filesystem = try Synthetic.attach(to: store)
    let memory = try MemoryFile()
    let pins = try store.pins(in: memory.descriptor)
    let node = try store.register(Synthetic.file(1), on: filesystem).node
    let index = try #require(store.index as? PostgresNodeIndex)
    let dropping = Dropping(ids: [node], isHeld: { _ in false })
    #expect(try index.agreement(on: dropping).ids == [node])
    try losingConfirmation(on: server, in: gateways) {
      #expect(throws: PostgresError.self) { try index.drop(dropping) }
      let isHeld = try? store.pin(node, by: pins)
      #expect(isHeld != true)
    }
    #expect(becomes { (try? store.node(node) == nil) ?? false })
    #expect(pins.count(of: node) == 0)
    try store.close()
  }

  /// The database may have lost objections, for example because a standby was promoted, whenever a gateway
  /// had to join again.
  @Test func aGatewayThatJoinsAgainAsksAgain() throws {
    let gateways = try Gateways()
    let (a, b) = (try Server("a", of: gateways), try Server("b", of: gateways))
    let nodes = try a.look(up: 0..<4)
    a.pins.unpinAll()
    #expect(try a.propose(nodes) == nodes)
    let gateway = try #require(try a.index.gateway)
    try gateway.state.withLock { state in _ = try gateway.rejoin(&state) }
    #expect(try a.drop(nodes) == 0)
    #expect(try a.store.evict() == 4)
    for server in [a, b] { try server.end() }
  }

  /// What a gateway wanted to drop when it was killed costs the others nothing for long.
  @Test func whatAKilledGatewayWantedToDropIsRemoved() throws {
    let gateways = try Gateways()
    let a = try Server("a", of: gateways)
    _ = try a.look(up: 0..<4)
    // Otherwise it would object.
    a.pins.unpinAll()
    try DatabaseServer.run(
      "INSERT INTO handlestore_eviction SELECT id, 1, 1, true FROM handlestore_node",
      in: gateways.database)
    let left = Statement("SELECT count(*) FROM handlestore_eviction")
    #expect(try becomes { try a.index.database.read(left).integer(0, 0) == 0 })
    #expect(becomes { a.store.holds.evictionCount.noneIsUnderWay })
    try a.end()
  }

  private func expectBusy(_ body: () throws -> Int) {
    do {
      let dropped = try body()
      Issue.record("\(dropped) were dropped")
    } catch StoreError.system(.resourceBusy, _) {
    } catch {
      Issue.record("\(error)")
    }
  }
}
