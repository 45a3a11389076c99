import HandleStore
import PostgresNodeIndex
import TestSupport
import Testing

/// One gateway finds a further name of a file while another one changes the file's node.
@Suite(.server) struct FurtherParentTests {
  private func file(in directory: UInt64) -> FoundFile {
    Synthetic.file(1, parent: NodeID(rawValue: directory), links: 2)
  }

  @Test func aNodeThatIsRetired() throws {
    let gateways = try Gateways()
    let (a, b) = (try gateways.open("a", lease: .seconds(600)), try gateways.open("b"))
    let filesystem = try Synthetic.attach(to: a)
    _ = try Synthetic.attach(to: b)
    let node = try a.register(file(in: 11), on: filesystem).node
    let held = try HeldLock(of: "a", in: gateways)
    let found = try inThreads(2) { thread -> Registration? in
      if thread == 0 { return try a.register(file(in: 12), on: filesystem) }
      try held.awaitOne()
      try b.retire(node)
      held.release()
      return nil
    }.compactMap(\.self)
    #expect(found.map(\.outcome) == [.created])
    try gateways.require("NOT EXISTS (SELECT FROM handlestore_place)")
    for store in [a, b] { try store.close() }
  }

  /// Both find one, at the same time.
  @Test func twoDirectories() throws {
    let gateways = try Gateways()
    let (a, b) = (try gateways.open("a", lease: .seconds(600)), try gateways.open("b"))
    let filesystem = try Synthetic.attach(to: a)
    _ = try Synthetic.attach(to: b)
    let node = try a.register(file(in: 11), on: filesystem).node
    let held = try HeldLock(of: "a", in: gateways)
    let found = try inThreads(2) { thread -> Registration in
      if thread == 0 { return try a.register(file(in: 12), on: filesystem) }
      defer { held.release() }
      try held.awaitOne()
      return try b.register(file(in: 13), on: filesystem)
    }
    for one in found { #expect(one.node == node && one.outcome == .existing) }
    try gateways.require(
      "(SELECT array_agg(directory ORDER BY directory) FROM handlestore_place) = '{12,13}'")
    for store in [a, b] { try store.close() }
  }
}
