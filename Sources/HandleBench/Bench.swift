import CYardstick
import Formatting
import Foundation
import HandleStore
import SystemPackage

/// An error of a benchmark.
struct BenchError: Error, CustomStringConvertible {
  let description: String
}

/// Makes and opens the stores of the workloads.
final class Bench {
  let nodes: UInt64
  let threads: Int
  let durability: Durability
  let rounds: Int
  let root: URL
  /// Throws if the run is to end.
  var requireGoing: () throws -> Void = {}
  var progress = Progress(steps: 0)
  /// What could not be measured.
  var missing: [Missing] = []
  private var made = 0

  /// Makes a directory for the stores in an existing one.
  init(nodes: UInt64, threads: Int, durability: Durability, rounds: Int, parent: String?) throws {
    self.nodes = nodes
    self.threads = threads
    self.durability = durability
    self.rounds = rounds
    let parent = parent ?? NSTemporaryDirectory()
    try Text.requireDirectory(parent)
    root = URL(fileURLWithPath: parent)
      .appendingPathComponent("handlebench-\(ProcessInfo.processInfo.processIdentifier)")
    do {
      try FileManager.default.createDirectory(at: root, withIntermediateDirectories: false)
    } catch {
      throw BenchError(
        description:
          "\(root.path) cannot be created: \(error.localizedDescription); name another directory")
    }
  }

  func cleanUp() {
    progress.clear()
    try? FileManager.default.removeItem(at: root)
  }

  /// Shows what is done next, does it, and counts it as a step.
  func step<R>(_ name: String, _ body: () throws -> R) throws -> R {
    try requireGoing()
    progress.show(name)
    defer { progress.finishStep() }
    return try body()
  }

  /// Makes a new empty directory.
  func newDirectory() throws -> FilePath {
    made += 1
    let path = root.appendingPathComponent("store-\(made)")
    try FileManager.default.createDirectory(at: path, withIntermediateDirectories: true)
    return FilePath(path.path)
  }

  func remove(_ path: FilePath) { try? FileManager.default.removeItem(atPath: path.string) }

  /// Opens a store of the library.
  func open(_ path: FilePath, cacheSize: Int = 65_536) throws -> Store {
    try Store(at: path, options: StoreOptions(durability: durability, cacheSize: cacheSize))
  }

  /// Opens a store, runs `body`, and closes it.
  func withStore<R>(
    _ path: FilePath, cacheSize: Int = 65_536, _ body: (Store) throws -> R
  ) throws -> R {
    let store = try open(path, cacheSize: cacheSize)
    defer { try? store.close() }
    return try body(store)
  }

  /// Runs `body` with a new empty directory, and removes that.
  func withNewDirectory<R>(_ body: (FilePath) throws -> R) throws -> R {
    let path = try newDirectory()
    defer { remove(path) }
    return try body(path)
  }

  /// Runs `body` with a new store and files that do not exist.
  func withFreshStore<R>(
    _ numbering: Numbering = .scattered, _ body: (Store, SyntheticFiles) throws -> R
  ) throws -> R {
    try withNewDirectory { path in
      try withStore(path) { try body($0, SyntheticFiles($0, numbering)) }
    }
  }

  /// Registers a file that no workload registers. The first file of a store waits for the disk, which
  /// would be a large part of the time of so few files.
  func reserveIDs(of store: Store, _ files: SyntheticFiles) throws {
    _ = try store.register(files[nodes], on: files.filesystem)
  }

  /// How many nodes a run gets.
  var gets: UInt64 { min(20 * nodes, 200_000) }

  /// The number of files to register one by one. The slowest of the maps needs seconds for so many.
  var singly: UInt64 { min(nodes, durability == .power ? 2_000 : 20_000) }

  /// Returns the yardstick's result.
  ///
  /// - Throws: ``BenchError`` if it is negative, which is an error.
  @discardableResult
  static func check(_ result: Int64) throws -> UInt64 {
    guard result >= 0 else { throw BenchError(description: "the yardstick failed: \(result)") }
    return UInt64(result)
  }

  /// Runs the yardstick and returns its time. With a recorder, also records its samples.
  static func timing(
    _ operations: UInt64, _ recorder: Recorder?, _ run: (Int32) -> Int64
  ) throws -> Timing {
    let took = try check(run(recorder == nil ? 0 : 1))
    if let recorder {
      for i in 0..<ys_sample_count() { recorder.record(ys_sample(i)) }
    }
    return Timing(nanoseconds: took, operations: operations)
  }
}

/// Returns the monotonic time in nanoseconds.
func now() -> UInt64 { DispatchTime.now().uptimeNanoseconds }

/// Runs operations one after the other and returns their total time. With a recorder, also records
/// the time of each.
func timed(
  _ operations: UInt64, _ recorder: Recorder?, _ operation: (UInt64) throws -> Void
) rethrows -> Timing {
  let start = now()
  var last = start
  for i in 0..<operations {
    try operation(i)
    if let recorder {
      let time = now()
      recorder.record(time - last)
      last = time
    }
  }
  return Timing(nanoseconds: now() - start, operations: operations)
}

/// Runs `body` in `count` new threads, even if that is more than there are processors, and waits
/// for all of them.
func inThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
  let group = DispatchGroup()
  for number in 0..<count {
    group.enter()
    Thread.detachNewThread {
      body(number)
      group.leave()
    }
  }
  group.wait()
}
