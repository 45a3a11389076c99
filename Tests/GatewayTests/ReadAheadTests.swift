import HandleStore
import TestSupport
import Testing

@testable import PostgresNodeIndex

/// A gateway reads nodes that others have registered before it needs them.
@Suite(.server) struct ReadAheadTests {
  @Test func aWalkAsksTheDatabaseForFewFiles() throws {
    let gateways = try Gateways()
    let (a, b) = (try gateways.open("a"), try gateways.open("b"))
    let filesystem = try Synthetic.attach(to: a)
    _ = try Synthetic.attach(to: b)
    let files = (0..<4000 as Range<UInt64>).map { Synthetic.file($0) }
    let nodes = try a.register(batch: files, on: filesystem).map(\.node)

    let found = try files.map { try b.register($0, on: filesystem) }
    #expect(found.map(\.node) == nodes)
    #expect(found.allSatisfy { $0.outcome == .existing })
    // Two of each 512.
    #expect(b.statistics.cacheHits > 3900)

    // The same for a client that comes with ids.
    let c = try gateways.open("c")
    for node in nodes { #expect(try c.node(node)?.state == .live) }
    #expect(c.statistics.cacheHits > 3900)
    for store in [a, b, c] { try store.close() }
  }

  /// What was read ahead is kept up to date like all that is in memory.
  @Test func whatWasReadAheadHearsOfChanges() throws {
    let gateways = try Gateways()
    let (a, b) = (try gateways.open("a"), try gateways.open("b", lease: .seconds(1)))
    let filesystem = try Synthetic.attach(to: a)
    _ = try Synthetic.attach(to: b)
    let nodes = try a.registerEach(0..<500, on: filesystem).map(\.node)
    for node in nodes.prefix(4) { _ = try b.node(node) }
    let hits = b.statistics.cacheHits
    #expect(try b.node(nodes[400])?.state == .live)
    #expect(b.statistics.cacheHits == hits + 1)
    try a.retire(nodes[400])
    #expect(try becomes { try b.node(nodes[400])?.state == .stale })
    for store in [a, b] { try store.close() }
  }

  /// Some nodes are missed each time. The nodes around them are not read each time.
  @Test func aBlockIsNotReadAgainAndAgain() {
    let readAhead = ReadAhead()
    let reads = (512..<1024).filter { readAhead.miss(NodeID(rawValue: $0)) == 512..<1024 }
    #expect(reads.first == 513)
    #expect(reads.count == 8)
    // Of another block in the same place.
    let other: [Range<UInt64>?] = (0..<2).map { readAhead.miss(NodeID(rawValue: 17 * 512 + $0)) }
    #expect(other == [nil, 17 * 512..<18 * 512])
  }
}
