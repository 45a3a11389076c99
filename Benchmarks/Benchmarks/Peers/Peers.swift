import Benchmark
import CPeers
import Foundation
import HandleStore
import SystemPackage

// A store beside SQLite with the same two rows a file. Run as
// `swift package --package-path Benchmarks benchmark`, and compare the medians of a pair.

private let files: UInt64 = 200_000
private let batch: UInt64 = 10_000

private func directory() throws -> FilePath {
  let path = NSTemporaryDirectory() + "/peers-" + UUID().uuidString
  try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  return FilePath(path)
}

private func remove(_ path: FilePath) { try? FileManager.default.removeItem(atPath: path.string) }

private func candidate(_ n: UInt64) -> FoundFile {
  let inode = peers_inode(n)
  let bytes = (0..<8).map { UInt8(truncatingIfNeeded: (inode | 7 << 32) >> UInt64($0 * 8)) }
  guard let handle = KernelFileHandle(type: .inode32, bytes: bytes) else { fatalError() }
  return FoundFile(handle: handle, status: FileStatus(inode: inode, mode: 0o100_644))
}

private func withStore(_ body: (Store, FilesystemID) throws -> Void) throws {
  let path = try directory()
  defer { remove(path) }
  let store = try Store(at: path)
  let root = try FileDescriptor.open(path, .readOnly)
  let filesystem = try store.attach(root)
  try root.close()
  try body(store, filesystem)
  try store.close()
}

private func withSQLite(_ body: () throws -> Void) throws {
  let path = try directory()
  defer { remove(path) }
  let root = try FileDescriptor.open(path, .readOnly)
  precondition(peers_sqlite_open(root.rawValue) == 0, "SQLite does not open")
  defer { peers_sqlite_close() }
  try root.close()
  try body()
}

let benchmarks: @Sendable () -> Void = {
  Benchmark.defaultConfiguration = .init(
    metrics: [.wallClock, .throughput], warmupIterations: 1, scalingFactor: .one,
    maxDuration: .seconds(10), maxIterations: 10)
  let all = stride(from: 0, to: files, by: UInt64.Stride(batch)).map { first in
    (first..<(first + batch)).map(candidate)
  }

  Benchmark("Register200kBatched.HandleStore") { benchmark in
    try withStore { store, filesystem in
      benchmark.startMeasurement()
      for candidates in all { _ = try store.register(candidates, on: filesystem) }
      benchmark.stopMeasurement()
    }
  }

  Benchmark("Register200kBatched.SQLite") { benchmark in
    try withSQLite {
      benchmark.startMeasurement()
      precondition(peers_sqlite_register(0, files, batch) == 0, "SQLite does not register")
      benchmark.stopMeasurement()
    }
  }

  Benchmark("Register20kSingly.HandleStore") { benchmark in
    try withStore { store, filesystem in
      benchmark.startMeasurement()
      for file in all[0...1].joined() {
        _ = try store.register(file.handle, status: file.status, on: filesystem)
      }
      benchmark.stopMeasurement()
    }
  }

  Benchmark("Register20kSingly.SQLite") { benchmark in
    try withSQLite {
      benchmark.startMeasurement()
      precondition(peers_sqlite_register(0, 2 * batch, 1) == 0, "SQLite does not register")
      benchmark.stopMeasurement()
    }
  }

  Benchmark("Get200kRandom.HandleStore") { benchmark in
    try withStore { store, filesystem in
      for candidates in all { _ = try store.register(candidates, on: filesystem) }
      var x: UInt64 = 1
      benchmark.startMeasurement()
      for _ in 0..<files {
        x = x &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        blackHole(try store.node(NodeID(rawValue: 2 + (x >> 33) % files)))
      }
      benchmark.stopMeasurement()
    }
  }

  Benchmark("Get200kRandom.SQLite") { benchmark in
    try withSQLite {
      precondition(peers_sqlite_register(0, files, batch) == 0, "SQLite does not register")
      benchmark.startMeasurement()
      precondition(peers_sqlite_get(files, files) == 0, "SQLite does not find")
      benchmark.stopMeasurement()
    }
  }
}
