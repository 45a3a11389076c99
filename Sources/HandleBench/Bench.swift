import CYardstick
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
  private var made = 0

  init(nodes: UInt64, threads: Int, durability: Durability, rounds: Int, parent: String?) throws {
    self.nodes = nodes
    self.threads = threads
    self.durability = durability
    self.rounds = rounds
    root = URL(fileURLWithPath: parent ?? NSTemporaryDirectory())
      .appendingPathComponent("handlebench-\(ProcessInfo.processInfo.processIdentifier)")
    try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
  }

  func cleanUp() { try? FileManager.default.removeItem(at: root) }

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

  /// Opens the yardstick's store, runs `body`, and closes it.
  func withYardstick<R>(_ path: FilePath, _ body: () throws -> R) throws -> R {
    let directory = try FileDescriptor.open(path, .readOnly)
    defer { try? directory.close() }
    try Self.check(ys_open(directory.rawValue, durability == .power ? 1 : 0))
    defer { ys_close() }
    return try body()
  }

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
