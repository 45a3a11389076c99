import HandleStore
import SystemPackage
import TestSupport
import Testing

/// The cache says what the database says.
@Suite struct CacheTests {
  @Test(arguments: [0, 4, 65_536]) func aBatchThatReplacesItsOwnNodesIsSeenAsItIs(
    _ cacheSize: Int
  ) throws {
    let test = try TestStore(StoreOptions(cacheSize: cacheSize))
    let id = try test.store.attach(Synthetic.directory)
    let results = try test.store.register(
      batch: [
        Synthetic.file(1, generation: 1), Synthetic.file(1, generation: 1),
        Synthetic.file(1, generation: 2), Synthetic.file(1, generation: 2),
      ], on: id)
    #expect(
      results.map(\.outcome) == [.created, .existing, .replaced(results[0].node), .existing])
    #expect(try test.store.node(results[0].node)?.state == .stale)
    #expect(try test.store.node(results[2].node)?.state == .live)
    #expect(throws: StoreError.stale(results[0].node)) { try test.store.open(results[0].node) }
    try test.store.close()
  }

  /// Files whose hints fall on one place do not push each other out, up to two.
  @Test func knownFilesAreFoundInMemory() throws {
    let test = try TestStore(StoreOptions(cacheSize: 65_536))
    let id = try test.store.attach(Synthetic.directory)
    // Others that came before have all the places.
    let others = (1_000_000..<1_200_000 as Range<UInt64>).map { Synthetic.file($0) }
    _ = try test.store.register(batch: others, on: id)
    let files = (1...10_000 as ClosedRange<UInt64>).map { Synthetic.file($0) }
    _ = try test.store.register(batch: files, on: id)
    let hits = test.store.statistics.cacheHits
    for file in files { #expect(try test.store.register(file, on: id).outcome == .existing) }
    // With one place for each, 700 or more would be missing.
    #expect(test.store.statistics.cacheHits - hits > 9_600)
    try test.store.close()
  }

  @Test(arguments: [0, 4, 65_536]) func aMoveInTheSameBatchIsSeenAsItIs(_ cacheSize: Int) throws {
    let test = try TestStore(StoreOptions(cacheSize: cacheSize))
    let id = try test.store.attach(Synthetic.directory)
    let results = try test.store.register(
      batch: [
        Synthetic.file(1, parent: NodeID(rawValue: 10)),
        Synthetic.file(1, parent: NodeID(rawValue: 11)),
      ], on: id)
    #expect(results[0].node == results[1].node)
    #expect(try test.store.node(results[0].node)?.parent == NodeID(rawValue: 11))
    try test.store.close()
  }

  @Test(arguments: [0, 4, 1024]) func whatIsDroppedIsGone(_ cacheSize: Int) throws {
    let test = try TestStore(StoreOptions(cacheSize: cacheSize))
    let id = try test.store.attach(Synthetic.directory)
    let nodes = try test.store.registerEach(0..<500, on: id).map(\.node)
    for node in nodes { #expect(try test.store.node(node)?.state == .live) }
    for node in nodes.prefix(250) { try test.store.retire(node) }
    for node in nodes.prefix(250) { #expect(try test.store.node(node)?.state == .stale) }
    #expect(try test.store.evict(stale: .nodes(100)) == 150)
    for (i, node) in nodes.enumerated() {
      let state = try test.store.node(node)?.state
      #expect(state == (i < 150 ? nil : i < 250 ? .stale : .live))
    }
    #expect(try test.store.node(NodeID(rawValue: 0)) == nil, "as a place is marked that is empty")
    #expect(throws: StoreError.unknownNode(nodes[0])) { try test.store.open(nodes[0]) }
    #expect(throws: StoreError.unknownNode(nodes[0])) { try test.store.retire(nodes[0]) }
    if cacheSize == 0 { #expect(test.store.statistics.cacheHits == 0) }
    try test.store.close()
  }
}
