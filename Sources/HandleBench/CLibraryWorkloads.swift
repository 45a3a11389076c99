import CYardstick
import HandleStore
import HandleStoreC
import SystemPackage

extension Bench {
  /// Runs calls of `handlestore.h` beside the Swift calls that they stand on: here the Swift library is
  /// the yardstick.
  func throughC(_ show: (Comparison) -> Void) throws {
    show(try step("get: C on Swift") { try getThroughC() })
    show(try step("register: C on Swift") { try registerThroughC() })
  }

  private func getThroughC() throws -> Comparison {
    let (few, gets) = (min(UInt64(THROUGHC_FILES), nodes), 10 * self.gets)
    return try withFreshStore { store, files in
      let all = files.batch(0..<few)
      let nodes = try store.register(batch: all, on: files.filesystem).map(\.node)
      return try withFreshStoreInC {
        try Self.prepareInC(all)
        let nodesInC = try (0..<few).map(Self.registerThroughC)
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

  /// Two sides that differ by little take turns often, on stores that grow side by side, because the
  /// machine's speed changes.
  private func registerThroughC() throws -> Comparison {
    let turn: UInt64 = 200
    return try withFreshStore { store, files in
      try withFreshStoreInC {
        var (inC, inSwift): (UInt64, UInt64) = (0, 0)
        return try Comparison(
          "register, one by one: C on Swift", goal: .ratio(1.02), rounds: Int(singly / turn)
        ) { recorder in
          try Self.prepareInC(files.batch(inC..<inC + turn))
          inC += turn
          return try timed(turn, recorder) { _ = try Self.registerThroughC($0) }
        } theirs: { recorder in
          let next = files.batch(inSwift..<inSwift + turn)
          inSwift += turn
          return try timed(turn, recorder) {
            _ = try store.register(next[Int($0)], on: files.filesystem)
          }
        }
      }
    }
  }

  private func withFreshStoreInC<R>(_ body: () throws -> R) throws -> R {
    try withNewDirectory { path in
      let directory = try FileDescriptor.open(path, .readOnly)
      defer { try? directory.close() }
      defer { throughc_close() }
      try Self.requireSuccess(throughc_open(directory.rawValue, durability == .power ? 1 : 0))
      return try body()
    }
  }

  private static func prepareInC(_ files: [FoundFile]) throws {
    for (i, file) in files.enumerated() {
      let handle = file.handle
      try requireSuccess(
        throughc_prepare(
          UInt32(i), file.status.inode, handle.type.rawValue, UInt32(handle.length),
          handle.words[0], handle.words[1], handle.words[2]))
    }
  }

  private static func registerThroughC(_ i: UInt64) throws -> UInt64 {
    let node = throughc_register(UInt32(i))
    guard node != 0 else { throw BenchError(description: "the C library registered no file") }
    return node
  }

  private static func requireSuccess(_ code: CInt) throws {
    guard code == 0 else {
      throw BenchError(description: "the C library failed with code \(code)")
    }
  }
}
