import HandleStore
import PostgresNodeIndex
import TestSupport
import Testing

/// One gateway finds a further name of a file while another one changes the file's node.
@Suite(.server) struct FurtherParentTests {
  /// Two gateways that both know a file with several names, and a lock that stops the writes of the first.
  private struct Pair {
    let gateways: Gateways
    let a, b: Store
    let filesystem: FilesystemID
    let node: NodeID
    let held: HeldLock

    init() throws {
      gateways = try Gateways()
      (a, b) = (try gateways.open("a", lease: .seconds(600)), try gateways.open("b"))
      filesystem = try Synthetic.attach(to: a)
      _ = try Synthetic.attach(to: b)
      node = try a.register(FurtherParentTests.file(in: 11), on: filesystem).node
      held = try HeldLock(of: "a", in: gateways)
    }

    func find(in directory: UInt64, at store: Store) throws -> Registration {
      try store.register(FurtherParentTests.file(in: directory), on: filesystem)
    }
  }

  private static func file(in directory: UInt64) -> FoundFile {
    Synthetic.file(1, parent: NodeID(rawValue: directory), links: 2)
  }

  @Test func aNodeThatIsRetired() throws {
    let pair = try Pair()
    let found = try inThreads(2) { thread -> Registration? in
      if thread == 0 { return try pair.find(in: 12, at: pair.a) }
      try pair.held.awaitOne()
      try pair.b.retire(pair.node)
      pair.held.release()
      return nil
    }.compactMap(\.self)
    #expect(found.map(\.outcome) == [.created])
    try pair.gateways.require("NOT EXISTS (SELECT FROM handlestore_place)")
    for store in [pair.a, pair.b] { try store.close() }
  }

  /// Both find one, at the same time.
  @Test func twoDirectories() throws {
    let pair = try Pair()
    let found = try inThreads(2) { thread -> Registration in
      if thread == 0 { return try pair.find(in: 12, at: pair.a) }
      defer { pair.held.release() }
      try pair.held.awaitOne()
      return try pair.find(in: 13, at: pair.b)
    }
    for one in found { #expect(one.node == pair.node && one.outcome == .existing) }
    try pair.gateways.require(
      "(SELECT array_agg(directory ORDER BY directory) FROM handlestore_place) = '{12,13}'")
    for store in [pair.a, pair.b] { try store.close() }
  }
}
