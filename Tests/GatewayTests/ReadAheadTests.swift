import HandleStore
import TestSupport
import Testing

@testable import PostgresNodeIndex

/// A gateway reads nodes that others have registered before it needs them.
@Suite(.server) struct ReadAheadTests {
  private let server: DatabaseServer
  private let gateways: Gateways
  /// Has registered the files.
  private let a: Store
  /// Meets them.
  private let b: Store
  private let filesystem: FilesystemID

  init() throws {
    server = try DatabaseServer()
    gateways = try Gateways(on: server)
    let name = gateways.database.split(separator: "=").last.map(String.init) ?? ""
    try gateways.run("ALTER DATABASE \(name) SET log_statement = 'all'")
    // With little room, some nodes would be missed because others have their places.
    let options = StoreOptions(cacheSize: 1 << 18)
    (a, b) = try (gateways.open("a"), gateways.open("b", lease: .seconds(1), options))
    filesystem = try Synthetic.attach(to: a)
    _ = try Synthetic.attach(to: b)
  }

  /// How often a body asks the database for nodes: each statement that reads some is logged.
  private func reads(_ body: () throws -> Void) rethrows -> Int {
    let before = server.log.utf8.count
    try body()
    let log = String(decoding: server.log.utf8.dropFirst(before), as: UTF8.self)
    return log.matches(of: /execute \w+: SELECT n\.id/).count
  }

  private func files(_ numbers: some Sequence<UInt64>) -> [FoundFile] {
    numbers.map { Synthetic.file($0) }
  }

  /// Registers directories, each with some files of consecutive numbers. Returns the nodes.
  private func register(directories: UInt64, files count: UInt64) throws -> [[NodeID]] {
    try (0..<directories).map { directory in
      try a.register(
        batch: files(directory * count..<(directory + 1) * count), on: filesystem
      ).map(\.node)
    }
  }

  /// Requires that `b` finds files one by one, as a client does that looks up one name after another.
  private func find(_ nodes: [[NodeID]]) throws {
    for (number, node) in zip((0 as UInt64)..., nodes.joined()) {
      let found = try b.register(Synthetic.file(number), on: filesystem)
      #expect(found.node == node && found.outcome == .existing)
    }
  }

  /// Requires that `b` finds the files of whole directories.
  private func list(_ nodes: [[NodeID]]) throws {
    var number: UInt64 = 0
    for directory in nodes {
      let next = number + UInt64(directory.count)
      let found = try b.register(batch: files(number..<next), on: filesystem)
      #expect(found.map(\.node) == directory)
      #expect(found.allSatisfy { $0.outcome == .existing })
      number = next
    }
  }

  private func close() throws { for store in [a, b] { try store.close() } }

  @Test func lookups() throws {
    let nodes = try register(directories: 1, files: 4000)
    // Two nodes and then their window, of 512, 1024, 2048 and 4096 ids.
    let count = try reads { try find(nodes) }
    // A few hints have the places of others.
    #expect(count < 100, "\(count)")
    try close()
  }

  /// A client that comes with ids.
  @Test func ids() throws {
    let nodes = try register(directories: 1, files: 4000)
    let count = try reads {
      for node in nodes.joined() { try #require(b.node(node)?.state == .live) }
    }
    #expect(count < 16, "\(count)")
    try close()
  }

  @Test func listings() throws {
    let nodes = try register(directories: 80, files: 100)
    let count = try reads { try list(nodes) }
    // For each of five windows: some files, the window, and what else the listing has.
    #expect(count < 20, "\(count)")
    try close()
  }

  @Test func listingsOfSmallDirectories() throws {
    let nodes = try register(directories: 600, files: 3)
    let count = try reads { try list(nodes) }
    #expect(count < 20, "\(count)")
    try close()
  }

  /// Files that got their ids in another order than that of the directories: two round trips for a
  /// listing, one of them for a few files only.
  @Test func aListingOfFilesWithFarIDs() throws {
    let nodes = try a.register(batch: files(0..<8000), on: filesystem).map(\.node)
    let numbers = Array(stride(from: 0 as UInt64, to: 8000, by: 800))
    let count = try reads {
      let found = try b.register(batch: files(numbers), on: filesystem)
      #expect(found.map(\.node) == numbers.map { nodes[Int($0)] })
    }
    #expect(count == 2)
    try close()
  }

  /// Every second file is new, and so is the one by which the others are looked for.
  @Test(arguments: [0, 1 as UInt64]) func aListingWithNewFiles(_ odd: UInt64) throws {
    let known = (0..<100).filter { $0 % 2 == odd }
    let nodes = try a.register(batch: files(known), on: filesystem).map(\.node)
    let found = try b.register(batch: files(0..<100), on: filesystem)
    #expect(known.map { found[Int($0)].node } == nodes)
    #expect(found.count { $0.outcome == .created } == 50)
    #expect(known.allSatisfy { found[Int($0)].outcome == .existing })
    try close()
  }

  /// The files that are looked up first are new, all others are not.
  @Test func aListingWithNewFilesInFront() throws {
    let known = (0..<100 as Range<UInt64>).filter { ![0, 33, 66, 99].contains($0) }
    let nodes = try a.register(batch: files(known), on: filesystem).map(\.node)
    let found = try b.register(batch: files(0..<100), on: filesystem)
    #expect(known.map { found[Int($0)].node } == nodes)
    #expect(found.count { $0.outcome == .created } == 4)
    try close()
  }

  /// What was read ahead is kept up to date like all that is in memory.
  @Test func whatWasReadAheadHearsOfChanges() throws {
    let nodes = try register(directories: 5, files: 100)
    try list(Array(nodes.prefix(1)))
    let last = nodes[4][99]
    let count = try reads { try #require(b.node(last)?.state == .live) }
    #expect(count == 0)
    try a.retire(last)
    #expect(try becomes { try b.node(last)?.state == .stale })
    try close()
  }

  /// The gateway has heard of a change since the nodes were read: what was read may be older.
  @Test func whatHasChangedMeanwhileIsNotKept() throws {
    let nodes = try register(directories: 1, files: 200)[0]
    let index = try PostgresNodeIndex(
      gateways.database, gateway: "c", StoreOptions(), lease: .seconds(10), patience: .seconds(30))
    let cache = try #require(index.cache)
    let tickets = cache.tickets()
    let rows = try index.database.read(WorkingSet.nodes(in: 0..<512))
    cache.replace(nodes[0], nil)
    try index.keep(rows, tickets)
    #expect(cache.find(nodes[0]) == nil)
    #expect(cache.find(nodes[199]) != nil)
    try index.close()
    try close()
  }

  // MARK: Windows

  /// Some nodes are missed each time. The nodes around them are not read each time.
  @Test func aWindowIsNotReadAgainAndAgain() {
    let readAhead = ReadAhead(cacheSize: 65_536)
    let reads = (512..<1024).filter { readAhead.miss(NodeID(rawValue: $0)) == 512..<1024 }
    #expect(reads.first == 513)
    #expect(reads.count == 8)
  }

  /// A walk whose windows become longer, and another one at the same time that is elsewhere.
  @Test func windowsBecomeLonger() {
    let readAhead = ReadAhead(cacheSize: 65_536)
    func windows(from start: UInt64) -> [Range<UInt64>] {
      var next = start
      return (0..<6).map { _ in
        // Nothing is read for the first miss.
        #expect(readAhead.miss(NodeID(rawValue: next)) == nil)
        let window = readAhead.miss(NodeID(rawValue: next + 1)) ?? 0..<0
        next = window.upperBound
        return window
      }
    }
    #expect(
      windows(from: 512) == [
        512..<1024, 1024..<2048, 2048..<4096, 4096..<8192, 8192..<12288, 12288..<16384,
      ])
    #expect(windows(from: 1_000_000).map(\.count) == [512, 1024, 2048, 4096, 4096, 4096])
  }

  /// A window takes a part of the memory.
  @Test func windowsOfASmallCache() {
    let readAhead = ReadAhead(cacheSize: 8192)
    for (id, window) in [(0, 0..<512), (512, 512..<1536), (1536, 1536..<2560)]
      as [(UInt64, Range<UInt64>)]
    {
      #expect(readAhead.miss(NodeID(rawValue: id)) == nil)
      #expect(readAhead.miss(NodeID(rawValue: id)) == window)
    }
  }

  /// Nodes here and there.
  @Test func farMissesReadNothing() {
    let readAhead = ReadAhead(cacheSize: 65_536)
    for i in 0..<100 as Range<UInt64> {
      #expect(readAhead.miss(NodeID(rawValue: 1 + i * 5000)) == nil)
    }
  }
}
