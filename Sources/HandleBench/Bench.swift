import CYardstick
import Foundation
import HandleStore
import SystemPackage

/// What goes wrong in a benchmark.
struct BenchError: Error, CustomStringConvertible {
  let description: String
}

/// Where the workloads find their stores.
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

  /// An empty directory of its own.
  func newDirectory() throws -> FilePath {
    made += 1
    let path = root.appendingPathComponent("store-\(made)")
    try FileManager.default.createDirectory(at: path, withIntermediateDirectories: true)
    return FilePath(path.path)
  }

  func remove(_ path: FilePath) { try? FileManager.default.removeItem(atPath: path.string) }

  /// Opens a store of the library's.
  func open(_ path: FilePath, cacheSize: Int = 65_536) throws -> Store {
    try Store(at: path, options: StoreOptions(durability: durability, cacheSize: cacheSize))
  }

  /// Opens the yardstick's store for the time of a body.
  func withYardstick<R>(_ path: FilePath, _ body: () throws -> R) throws -> R {
    let directory = try FileDescriptor.open(path, .readOnly)
    defer { try? directory.close() }
    try Self.check(ys_open(directory.rawValue, durability == .power ? 1 : 0))
    defer { ys_close() }
    return try body()
  }

  /// The yardstick's result, unless it is an error.
  @discardableResult
  static func check(_ result: Int64) throws -> UInt64 {
    guard result >= 0 else { throw BenchError(description: "the yardstick failed: \(result)") }
    return UInt64(result)
  }

  /// The yardstick's time, with its samples recorded.
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

/// Monotonic time in nanoseconds.
func now() -> UInt64 { DispatchTime.now().uptimeNanoseconds }

/// Times operations one after the other: all of them together, and singly where there is a recorder.
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

/// Runs a body in threads of their own, also where there are more of them than processors, and waits.
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
