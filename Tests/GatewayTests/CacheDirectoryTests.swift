import Foundation
import Glibc
import HandleStore
import PostgresNodeIndex
import SystemPackage
import TestSupport
import Testing

/// A gateway keeps nodes in a directory, and finds them there without the database: as long as its lease
/// lasts, and no longer than they are right.
@Suite(.server, .serialized) struct CacheDirectoryTests {
  /// Of all tests of this suite: one after the other lets it wait, or kills it.
  private static let shared = Result { try DatabaseServer() }
  private let server: DatabaseServer
  private let gateways: Gateways
  private let directory: TemporaryDirectory
  private var cache: FilePath { directory.appending("cache") }
  private static let files = (1...2000 as ClosedRange<UInt64>).map { Synthetic.file($0) }

  init() throws {
    server = try Self.shared.get()
    gateways = try Gateways(on: server)
    directory = try TemporaryDirectory()
  }

  /// Memory has room for 64 nodes.
  private func open(
    _ name: String, in cache: FilePath? = nil, lease: Duration = .seconds(10),
    patience: Duration = .seconds(1)
  ) throws -> Store {
    try Store(
      shared: gateways.database, cache: cache ?? self.cache, gateway: name,
      options: StoreOptions(cacheSize: 1),
      gatewayOptions: GatewayOptions(lease: lease, patience: patience))
  }

  /// Runs a body while the database does not answer.
  private func withoutDatabase<R>(_ body: () throws -> R) rethrows -> R {
    server.pause()
    defer { server.resume() }
    return try body()
  }

  /// How many of some nodes are found without the database, up to the first that is not.
  private func found(_ nodes: some Collection<NodeID>, by store: Store) -> Int {
    withoutDatabase { nodes.prefix { (try? store.node($0))??.state == .live }.count }
  }

  // MARK: Finding

  @Test func nodesThatMemoryHasNoRoomFor() throws {
    let a = try open("a")
    let filesystem = try Synthetic.attach(to: a)
    let nodes = try a.register(batch: Self.files, on: filesystem).map(\.node)
    #expect(found(nodes, by: a) == nodes.count)
    try withoutDatabase {
      // Known files, too: one by one, and together.
      #expect(try a.register(Self.files[7], on: filesystem).node == nodes[7])
      let again = try a.register(batch: Self.files, on: filesystem)
      #expect(again.map(\.node) == nodes)
      #expect(again.allSatisfy { $0.outcome == .existing })
    }
    try a.close()
  }

  @Test func whatAnotherGatewayHasRegistered() throws {
    let other = try gateways.open("other")
    let filesystem = try Synthetic.attach(to: other)
    let nodes = try other.register(batch: Self.files, on: filesystem).map(\.node)
    let a = try open("a")
    _ = try Synthetic.attach(to: a)
    for node in nodes { #expect(try a.node(node) != nil) }
    #expect(found(nodes, by: a) == nodes.count)
    for store in [other, a] { try store.close() }
  }

  /// A handle that is too long for a record, which memory does not keep.
  @Test func longHandles() throws {
    let a = try open("a")
    let filesystem = try Synthetic.attach(to: a)
    let handle = Synthetic.opaque(1, length: 100)
    let status = FileStatus(inode: 1, mode: Synthetic.mode)
    let node = try a.register(handle, status: status, on: filesystem).node
    let found = try withoutDatabase { try a.node(node) }
    #expect(found?.handle == handle)
    try a.close()
  }

  // MARK: Being right

  @Test func changesAreHeardOf() throws {
    let (a, b) = (try open("a", lease: .seconds(1)), try gateways.open("b"))
    let filesystem = try Synthetic.attach(to: a)
    _ = try Synthetic.attach(to: b)
    let nodes = try a.register(batch: Self.files, on: filesystem).map(\.node)
    try b.retire(nodes[0])
    // Another generation of the second file.
    let renewed = try b.register(Synthetic.file(2, generation: 2), on: filesystem).node
    #expect(try becomes { try a.node(nodes[0])?.state == .stale })
    #expect(try becomes { try a.node(nodes[1])?.state == .stale })
    #expect(try a.register(Synthetic.file(2, generation: 2), on: filesystem).node == renewed)
    // Its own changes, too.
    try a.retire(nodes[2])
    #expect(try a.node(nodes[2])?.state == .stale)
    let own = try a.register(Synthetic.file(4, generation: 2), on: filesystem)
    #expect(own.outcome == .replaced(nodes[3]))
    #expect(try a.node(nodes[3])?.state == .stale)
    #expect(try a.register(Synthetic.file(4, generation: 2), on: filesystem).node == own.node)
    for store in [a, b] { try store.close() }
  }

  @Test func withoutALeaseNothingIsAnswered() throws {
    let a = try open("a", lease: .seconds(1))
    let filesystem = try Synthetic.attach(to: a)
    let nodes = try a.register(batch: Self.files, on: filesystem).map(\.node)
    withoutDatabase {
      usleep(1_200_000)
      #expect(throws: StoreError.self) { try a.node(nodes[0]) }
      #expect(throws: StoreError.self) { try a.register(Self.files[0], on: filesystem) }
    }
    #expect(becomes { (try? a.node(nodes[0]))??.state == .live })
    try a.close()
  }

  /// After the database was started again, it may lack what the cache has.
  @Test func theDatabaseIsStartedAgain() throws {
    let a = try open("a", patience: .seconds(10))
    let filesystem = try Synthetic.attach(to: a)
    let nodes = try a.register(batch: Self.files, on: filesystem).map(\.node)
    server.kill()
    try server.start()
    try a.retire(nodes[0])
    #expect(found(nodes, by: a) == 0)
    #expect(try a.node(nodes[1])?.state == .live)
    try a.close()
  }

  /// A connection that broke is no reason to forget anything.
  @Test func theConnectionBreaks() throws {
    let (a, b) = (try open("a"), try gateways.open("b"))
    let filesystem = try Synthetic.attach(to: a)
    let nodes = try a.register(batch: Self.files, on: filesystem).map(\.node)
    try gateways.run(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    try b.retire(nodes[1])
    try a.retire(nodes[0])
    #expect(try becomes { try a.node(nodes[1])?.state == .stale })
    #expect(found(nodes.dropFirst(2), by: a) == nodes.count - 2)
    for store in [a, b] { try store.close() }
  }

  // MARK: The next process

  private func killedGateway(_ retire: [Int] = []) throws -> [NodeID] {
    let worker = try Child(
      "storeworker", ["cached", gateways.database, "a", cache.string, "\(Self.files.count)"])
    guard let first = worker.line().flatMap({ UInt64($0) }) else {
      throw CommandFailure(description: "no id")
    }
    let nodes = (0..<UInt64(Self.files.count)).map { NodeID(rawValue: first + $0) }
    // A heartbeat, after which the nodes count as known.
    usleep(1_200_000)
    for i in retire {
      worker.send("\(nodes[i])")
      guard worker.line() == "retired" else { throw CommandFailure(description: "not retired") }
    }
    worker.kill()
    return nodes
  }

  @Test func aKilledProcessLeavesItToTheNext() throws {
    let nodes = try killedGateway([5])
    let b = try gateways.open("b")
    try b.retire(nodes[6])
    let a = try open("a", lease: .seconds(5))
    #expect(found(nodes.dropFirst(7), by: a) == nodes.count - 7)
    for i in [5, 6] { #expect(try a.node(nodes[i])?.state == .stale) }
    for store in [a, b] { try store.close() }
  }

  /// The others no longer tell what they changed meanwhile.
  @Test func theNextProcessIsLate() throws {
    let nodes = try killedGateway()
    let b = try gateways.open("b", lease: .seconds(1))
    try b.retire(nodes[6])
    usleep(5_000_000)
    let a = try open("a", lease: .seconds(5))
    #expect(found(nodes, by: a) == 0)
    #expect(try a.node(nodes[6])?.state == .stale)
    for store in [a, b] { try store.close() }
  }

  /// A longer lease does not make an old cache younger.
  @Test func theNextProcessHasALongerLease() throws {
    let nodes = try killedGateway()
    let b = try gateways.open("b", lease: .seconds(1))
    try b.retire(nodes[6])
    // By now that is not told any more.
    usleep(11_500_000)
    let a = try open("a", lease: .seconds(60))
    #expect(try a.node(nodes[6])?.state == .stale)
    for store in [a, b] { try store.close() }
  }

  /// The machine stood still, and its clock, too: only the database knows that the lease was over.
  @Test func theClockStoodStill() throws {
    let (a, b) = (try open("a"), try gateways.open("b"))
    let filesystem = try Synthetic.attach(to: a)
    let nodes = try a.register(batch: Self.files, on: filesystem).map(\.node)
    try b.retire(nodes[6])
    try gateways.run(
      "BEGIN; DELETE FROM handlestore_change; UPDATE handlestore_gateway "
        + "SET lease_until = clock_timestamp() - interval '1 hour' WHERE name = 'a'; COMMIT")
    try a.retire(nodes[7])
    #expect(try a.node(nodes[6])?.state == .stale)
    for store in [a, b] { try store.close() }
  }

  /// A process elsewhere had the name meanwhile, with a cache of its own.
  @Test func somebodyElseHadTheName() throws {
    let nodes = try killedGateway()
    let other = try gateways.open("a")
    try other.retire(nodes[6])
    try other.close()
    let a = try open("a", lease: .seconds(5))
    #expect(found(nodes, by: a) == 0)
    try a.close()
  }

  @Test func anotherDatabase() throws {
    let nodes = try killedGateway()
    let others = try Gateways(on: server)
    let a = try Store(shared: others.database, cache: cache, gateway: "a")
    #expect(try a.node(nodes[0]) == nil)
    try a.close()
  }

  /// A copy that is put back may be older than all that the others still tell.
  @Test func aCopyIsPutBack() throws {
    let nodes = try killedGateway()
    let copy = directory.appending("copy")
    try succeed("cp", "-a", cache.string, copy.string)
    let a = try open("a", in: copy, lease: .seconds(5))
    #expect(found(nodes, by: a) == 0)
    try a.close()
  }

  // MARK: The directory

  @Test func oneProcessAtATime() throws {
    let a = try open("a")
    let error = #expect(throws: StoreError.self) { try open("b") }
    #expect("\(error as Any)".contains("which this process uses already"), "\(error as Any)")
    let worker = try Child("storeworker", ["cached", gateways.database, "b", cache.string, "1"])
    #expect(try #require(worker.line()).contains("which process \(getpid()) uses"))
    try a.close()
    try open("a").close()
  }

  /// Files of somebody else are not touched.
  @Test func aDirectoryOfSomebodyElse() throws {
    let store = try Store(at: cache)
    try store.close()
    let error = #expect(throws: StoreError.self) { try open("a") }
    #expect(error?.code == .badValue)
    #expect("\(error as Any)".contains("is no cache of a gateway and not empty"))
    try Store(at: cache).close()
    // Even if a file of theirs has the name of ours.
    try write("theirs", to: cache.appending("cache"))
    #expect(throws: StoreError.self) { try open("a") }
    #expect(try read(cache.appending("cache")) == "theirs")
    try Store(at: cache).close()
  }

  /// Whatever happens to the files, the database has the nodes.
  @Test func damagedPages() throws {
    try damage { data, bytes in
      _ = try data.writeAll(toAbsoluteOffset: 0, [UInt8](repeating: 0x5a, count: 8192))
    }
  }

  @Test func aTruncatedFile() throws {
    try damage { data, bytes in try data.resize(to: 16384) }
  }

  @Test func damagedRecords() throws {
    try damage { data, bytes in
      // The handle of the third file, wherever it is.
      let handle = Synthetic.handle(3).bytes
      for at in bytes.indices.dropLast(handle.count)
      where bytes[at] == handle[0] && Array(bytes[at..<at + handle.count]) == handle {
        _ = try data.writeAll(toAbsoluteOffset: Int64(at), [0x5a])
      }
    }
  }

  private func damage(_ body: (FileDescriptor, [UInt8]) throws -> Void) throws {
    let nodes = try killedGateway()
    let file = cache.appending("data.mdb")
    let data = try FileDescriptor.open(file, .readWrite)
    try data.closeAfter { try body(data, Array(Data(contentsOf: URL(filePath: file.string)))) }
    for _ in 0..<2 {
      let a = try open("a", lease: .seconds(5))
      for node in nodes { #expect(try a.node(node)?.state == .live) }
      try a.close()
    }
  }

  /// The cache takes what there is room for, and harms nothing.
  @Test(.serverAndMounts) func aDiskThatIsAlmostFull() throws {
    let volume = try almostFullDisk()
    let a = try open("a", in: volume.path.appending("cache"))
    try registerMany(at: a) { nodes in
      let found = found(nodes.suffix(500), by: a)
      #expect(found == 500 && freeShare(of: volume.path) > 0.08)
    }
    #expect(a.gatewayStatus?.cacheIsUsable == true)
    try a.close()
  }

  /// A gateway does without a cache whose files cannot be made again, and says so.
  @Test(.serverAndMounts) func aDirectoryThatIsGone() throws {
    let volume = try almostFullDisk()
    let a = try open("a", in: volume.path.appending("cache"))
    try FileManager.default.removeItem(atPath: volume.path.appending("cache").string)
    try registerMany(at: a) { nodes in
      for id in nodes.suffix(500) {
        let node = try a.node(id)
        #expect(node?.state == .live)
      }
    }
    #expect(a.gatewayStatus?.cacheIsUsable == false)
    try a.close()
  }

  private func almostFullDisk() throws -> Volume {
    let volume = try Volume(.tmpfs, megabytes: 64)
    try succeed("fallocate", "--length", "54M", volume.path.appending("other").string)
    return volume
  }

  /// Registers more files than the disk has room for, and gives their nodes to a body.
  private func registerMany(at store: Store, _ body: ([NodeID]) throws -> Void) throws {
    let filesystem = try Synthetic.attach(to: store)
    for batch in 0..<20 as Range<UInt64> {
      let files = (0..<2500).map { Synthetic.file(1 + batch * 2500 + $0) }
      let nodes = try store.register(batch: files, on: filesystem).map(\.node)
      try body(nodes)
    }
  }

  private func freeShare(of path: FilePath) -> Double {
    var status = statvfs()
    guard statvfs(path.string, &status) == 0 else { return 0 }
    return Double(status.f_bavail) / Double(status.f_blocks)
  }
}
