import CYardstick
import Foundation
import HandleStore
internal import HandleLocks
import PostgresNodeIndex
import SystemPackage

/// A store, or the yardstick, that does the work.
protocol SharedContender: AnyObject {
  var name: String { get }
  /// Does some work once. Returns `nil` if there is no such work for it.
  func run(_ workload: SharedWorkload, _ recorder: Recorder?) throws -> Timing?
}

/// Stores of the library: those of several gateways, or one in a directory.
final class StoreContender: SharedContender {
  let name: String
  /// The stores that register, one for each gateway.
  private let stores: [Store]
  /// One that has none of their nodes in memory.
  private let other: Store
  /// One that keeps no node in memory.
  private let bare: Store
  /// One that keeps its nodes in a directory, and few in memory.
  private let filed: Store
  /// Whether each of them sees what another registers.
  private let isShared: Bool
  private let files: SyntheticFiles
  private var used: UInt64 = 0

  /// Gateways of a store in a database.
  init(shared connection: String, _ bench: Bench) throws {
    let directory = try bench.newDirectory()
    func open(
      _ gateway: String, cacheSize: Int = 65_536, in cache: FilePath? = nil
    ) throws -> Store {
      try Store(
        shared: connection, cache: cache, gateway: gateway,
        options: StoreOptions(cacheSize: cacheSize))
    }
    name = "shared"
    isShared = true
    stores = try (1...3).map { try open("writer \($0)") }
    other = try open("reader")
    bare = try open("reader without a cache", cacheSize: 0)
    filed = try open(
      "reader with a directory", cacheSize: 1, in: directory.appending("cache"))
    for store in stores + [other, bare, filed] { _ = try SyntheticFiles(store, on: directory) }
    files = try SyntheticFiles(stores[0], on: directory)
  }

  /// Stores in directories. One process can open a directory once, so the stores without a cache, and
  /// with a small one, are others. The first also stands for the gateway that has no node in memory.
  init(_ bench: Bench, _ durability: Durability) throws {
    func open(cacheSize: Int = 65_536) throws -> Store {
      try Store(
        at: bench.newDirectory(),
        options: StoreOptions(durability: durability, cacheSize: cacheSize))
    }
    name = "LMDB, \(durability.rawValue)"
    isShared = false
    stores = [try open()]
    bare = try open(cacheSize: 0)
    (other, filed) = (bare, try open(cacheSize: 1))
    files = try SyntheticFiles(stores[0])
    for store in [bare, filed] { _ = try SyntheticFiles(store) }
  }

  func close() throws {
    for store in stores { try store.close() }
    try bare.close()
    for store in [other, filed] where store !== bare { try store.close() }
  }

  func run(_ workload: SharedWorkload, _ recorder: Recorder?) throws -> Timing? {
    switch workload.work {
    case .register(let batch, let threads, let gateways):
      guard gateways <= stores.count else { return nil }
      return try register(
        newFiles(workload.count, batch: batch), on: Array(stores.prefix(gateways)), threads,
        recorder)
    case .find(let batch):
      let calls = try newFiles(workload.count, batch: batch)
      _ = try registerAll(calls, on: isShared ? stores[0] : other)
      return try register(calls, on: [other], 1, recorder)
    case .findAgain:
      let calls = try newFiles(workload.count, batch: 1)
      _ = try registerAll(calls, on: stores[0])
      return try register(calls, on: [stores[0]], 1, recorder)
    case .get(.memory): return try get(workload.count, from: stores[0], recorder)
    case .get(.directory): return try get(workload.count, from: filed, recorder)
    case .get(.database): return try get(workload.count, from: bare, recorder)
    case .retire:
      let nodes = try registerAll(newFiles(workload.count, batch: 1), on: stores[0])
      return try timed(workload.count, recorder) { _ = try stores[0].retire(nodes[Int($0)]) }
    }
  }

  /// Returns files that no store knows, in groups of as many as a call registers.
  private func newFiles(_ count: UInt64, batch: UInt64) throws -> [[FoundFile]] {
    defer { used += count }
    return stride(from: used, to: used + count, by: UInt64.Stride(batch)).map {
      files.batch($0..<min($0 + batch, used + count))
    }
  }

  /// Registers files in few calls. Returns their nodes.
  private func registerAll(_ calls: [[FoundFile]], on store: Store) throws -> [NodeID] {
    try store.register(batch: calls.flatMap(\.self), on: files.filesystem).map(\.node)
  }

  /// Registers files by threads that take turns at the stores.
  private func register(
    _ calls: [[FoundFile]], on stores: [Store], _ threads: Int, _ recorder: Recorder?
  ) throws -> Timing {
    let filesystem = files.filesystem
    let outcome = Locked((times: [UInt64](), failure: (any Error)?.none))
    let start = now()
    inThreads(threads) { thread in
      let store = stores[thread % stores.count]
      var times: [UInt64] = []
      let result = Result {
        for i in stride(from: thread, to: calls.count, by: threads) {
          let start = now()
          if calls[i].count == 1 {
            _ = try store.register(calls[i][0], on: filesystem)
          } else {
            _ = try store.register(batch: calls[i], on: filesystem)
          }
          times.append(now() - start)
        }
      }
      outcome.withLock { outcome in
        outcome.times += times
        if case .failure(let error) = result { outcome.failure = error }
      }
    }
    let took = now() - start
    let (times, failure) = outcome.withLock { $0 }
    if let failure { throw failure }
    for time in times { recorder?.record(time) }
    return Timing(nanoseconds: took, operations: UInt64(calls.map(\.count).reduce(0, +)))
  }

  private func get(_ count: UInt64, from store: Store, _ recorder: Recorder?) throws -> Timing {
    let few: UInt64 = 1000
    let nodes = try registerAll(newFiles(few, batch: 1), on: isShared ? stores[0] : store)
    if store === filed { for node in nodes { _ = try store.node(node) } }
    return try timed(count, recorder) { _ = try store.node(nodes[Int(ys_random($0) % few)]) }
  }
}

/// The plain C program.
final class LibpqContender: SharedContender {
  let name = "libpq"
  private var used: UInt64 = 0

  /// Creates the schema.
  init(_ connection: String) throws {
    let pipe = try FileDescriptor.pipe()
    defer { try? pipe.readEnd.close() }
    try pipe.writeEnd.closeAfter { _ = try pipe.writeEnd.writeAll(connection.utf8) }
    try Self.check(sharedload_open(pipe.readEnd.rawValue))
  }

  /// Creates the tables, once a store is in the schema.
  func createTables() throws { try Self.check(sharedload_create_tables()) }

  /// Drops the schema.
  func close() throws { try Self.check(sharedload_close()) }

  func run(_ workload: SharedWorkload, _ recorder: Recorder?) throws -> Timing? {
    switch workload.work {
    case .register(let batch, let threads, _):
      return try run(SHAREDLOAD_REGISTER, workload.count, batch, threads, recorder)
    case .find(let batch):
      return try run(SHAREDLOAD_FIND, workload.count, batch, 1, recorder)
    case .get(.database): return try run(SHAREDLOAD_GET, workload.count, 1, 1, recorder)
    case .retire:
      return try run(SHAREDLOAD_RETIRE, workload.count, 1, 1, recorder)
    case .findAgain, .get: return nil
    }
  }

  /// Does work to new files, which are registered before if it is other work.
  private func run(
    _ work: sharedload_work, _ count: UInt64, _ batch: UInt64, _ threads: Int,
    _ recorder: Recorder?
  ) throws -> Timing {
    let first = used
    used += count
    if work != SHAREDLOAD_REGISTER {
      try Self.check(sharedload_run(SHAREDLOAD_REGISTER, first, count, 100, 1))
    }
    let took = try Self.check(sharedload_run(work, first, count, batch, CInt(threads)))
    for i in 0..<(count + batch - 1) / batch { recorder?.record(sharedload_sample(i)) }
    return Timing(nanoseconds: UInt64(took), operations: count)
  }

  @discardableResult
  private static func check(_ result: Int64) throws -> Int64 {
    guard result < 0 else { return result }
    let bytes = (0...).lazy.map { sharedload_message($0) }.prefix { $0 != 0 }
    let text = String(decoding: bytes.map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self)
    let line = text.split { $0.isNewline }.first.map(String.init) ?? "libpq failed"
    throw BenchError(description: line)
  }
}
