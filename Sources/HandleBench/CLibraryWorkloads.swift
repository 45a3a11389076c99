import CYardstick
import HandleStore
import HandleStoreC
import SystemPackage

extension Bench {
  /// Runs calls of `handlestore.h` beside the Swift calls that they stand on: here the Swift library is
  /// the yardstick.
  func throughC(_ show: (Comparison) -> Void) throws {
    show(try getThroughC())
    show(try registerThroughC())
  }

  private func getThroughC() throws -> Comparison {
    let (few, gets): (UInt64, UInt64) = (min(10_000, nodes), 2_000_000)
    return try withFreshStore { store, files in
      let all = files.batch(0..<few)
      let nodes = try store.register(batch: all, on: files.filesystem).map(\.node)
      return try withFreshStoreInC {
        let nodesInC = try all.map { try Self.registerThroughC($0) }
        return try Comparison("get, warm: C on Swift", goal: .added(20), rounds: rounds) {
          recorder in
          try timed(gets, recorder) {
            try Self.requireSuccess(throughc_get(nodesInC[Int(ys_random($0) % few)]))
          }
        } theirs: { recorder in
          try timed(gets, recorder) { _ = try store.node(nodes[Int(ys_random($0) % few)]) }
        }
      }
    }
  }

  /// Two sides that differ by little need many short rounds, because the machine's speed changes.
  private func registerThroughC() throws -> Comparison {
    let count = max(singly / 10, 1)
    let files = try withFreshStore { _, files in files.batch(0..<count) }
    return try Comparison(
      "register, one by one: C on Swift", goal: .ratio(1.02), rounds: rounds * 10
    ) { recorder in
      try withFreshStoreInC {
        try timed(count, recorder) { _ = try Self.registerThroughC(files[Int($0)]) }
      }
    } theirs: { recorder in
      try withFreshStore { store, synthetic in
        try timed(count, recorder) {
          _ = try store.register(files[Int($0)], on: synthetic.filesystem)
        }
      }
    }
  }

  private func withFreshStoreInC<R>(_ body: () throws -> R) throws -> R {
    let path = try newDirectory()
    defer { remove(path) }
    let directory = try FileDescriptor.open(path, .readOnly)
    defer { try? directory.close() }
    defer { throughc_close() }
    try Self.requireSuccess(throughc_open(directory.rawValue, durability == .power ? 1 : 0))
    return try body()
  }

  private static func registerThroughC(_ file: FoundFile) throws -> UInt64 {
    let handle = file.handle
    let node = throughc_register(
      file.status.inode, handle.type.rawValue, UInt32(handle.length), handle.words[0],
      handle.words[1], handle.words[2])
    guard node != 0 else { throw BenchError(description: "the C library registered no file") }
    return node
  }

  private static func requireSuccess(_ code: CInt) throws {
    guard code == 0 else {
      throw BenchError(description: "the C library failed with code \(code)")
    }
  }
}
