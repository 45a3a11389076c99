import CYardstick
import HandleStore
import SystemPackage

extension Bench {
  /// The number of files in a batch: as many as a directory holds, or more.
  private static let batchSize: UInt64 = 10_000

  /// Runs the workloads on files that do not exist.
  func synthetic(_ show: (Comparison) -> Void) throws {
    show(try registerBatched())
    show(try registerSingly(threads: 1, goal: .ratio(1.5)))
    if threads > 1 { show(try registerSingly(threads: threads, goal: nil)) }
    let stores = try (ours: filledStore(), theirs: filledYardstick())
    show(try getWarm(stores.ours, stores.theirs))
    show(try getRandom(stores.ours, stores.theirs))
    show(try restart(stores.ours, stores.theirs))
    remove(stores.ours)
    remove(stores.theirs)
  }

  private func registerBatched() throws -> Comparison {
    try Comparison(
      "register, batched", goal: .ratio(1.25), rounds: rounds, sample: "batch of \(Self.batchSize)"
    ) { recorder in
      try withFreshStore { store, files in
        var timing = Timing(nanoseconds: 0, operations: nodes)
        for first in stride(from: 0, to: nodes, by: UInt64.Stride(Self.batchSize)) {
          let batch = files.batch(first..<min(first + Self.batchSize, nodes))
          let start = now()
          _ = try store.register(batch: batch, on: files.filesystem)
          let took = now() - start
          recorder?.record(took)
          timing.nanoseconds += took
        }
        return timing
      }
    } theirs: { recorder in
      try withFreshYardstick {
        try Self.timing(nodes, recorder) { ys_register(0, nodes, Self.batchSize, $0) }
      }
    }
  }

  /// The number of files to register one by one, which takes about a second.
  var singly: UInt64 { min(nodes, durability == .power ? 2_000 : 200_000) }

  private func registerSingly(threads: Int, goal: Goal?) throws -> Comparison {
    let count = singly
    let name = threads == 1 ? "register, one by one" : "register, \(threads) threads"
    return try Comparison(name, goal: goal, rounds: rounds) { recorder in
      try withFreshStore { store, files in
        let all = files.batch(0..<count)
        guard threads > 1 else {
          return try timed(count, recorder) { try register(all[Int($0)], files, store) }
        }
        return concurrently(all, files, store, threads: threads, recorder)
      }
    } theirs: { recorder in
      try withFreshYardstick {
        try Self.timing(count, recorder) { ys_register(0, count, 1, $0) }
      }
    }
  }

  private func register(
    _ file: FoundFile, _ files: SyntheticFiles, _ store: Store
  ) throws {
    _ = try store.register(file, on: files.filesystem)
  }

  private func concurrently(
    _ all: [FoundFile], _ files: SyntheticFiles, _ store: Store, threads: Int,
    _ recorder: Recorder?
  ) -> Timing {
    let filesystem = files.filesystem
    let start = now()
    inThreads(threads) { thread in
      for i in stride(from: thread, to: all.count, by: threads) {
        guard
          (try? store.register(all[i], on: filesystem)) != nil
        else { fatalError("a registration failed") }
      }
    }
    let took = now() - start
    recorder?.record(took / UInt64(all.count))
    return Timing(nanoseconds: took, operations: UInt64(all.count))
  }

  /// Gets the same few nodes again and again.
  private func getWarm(_ ours: FilePath, _ theirs: FilePath) throws -> Comparison {
    let store = try open(ours)
    defer { try? store.close() }
    let few: UInt64 = min(10_000, nodes)
    return try Comparison("get, warm", rounds: rounds) { recorder in
      try timed(2_000_000, recorder) { i in
        _ = try store.node(NodeID(rawValue: 2 + ys_random(i) % few))
      }
    } theirs: { recorder in
      try withYardstick(theirs) {
        try Self.timing(2_000_000, recorder) { ys_get(few, 2_000_000, $0) }
      }
    }
  }

  private func getRandom(_ ours: FilePath, _ theirs: FilePath) throws -> Comparison {
    let store = try open(ours, cacheSize: 0)
    defer { try? store.close() }
    return try Comparison("get, random from LMDB", goal: .ratio(1.15), rounds: rounds) { recorder in
      try timed(1_000_000, recorder) { i in
        _ = try store.node(NodeID(rawValue: 2 + ys_random(i) % nodes))
      }
    } theirs: { recorder in
      try withYardstick(theirs) {
        try Self.timing(1_000_000, recorder) { ys_get(nodes, 1_000_000, $0) }
      }
    }
  }

  private func restart(_ ours: FilePath, _ theirs: FilePath) throws -> Comparison {
    let directory = try FileDescriptor.open(theirs, .readOnly)
    defer { try? directory.close() }
    return try Comparison("restart: open to first get", rounds: rounds) { recorder in
      try timed(5, recorder) { _ in
        let store = try open(ours)
        _ = try store.node(NodeID(rawValue: 2 + nodes / 2))
        try store.close()
      }
    } theirs: { recorder in
      let took = try (0..<5).map { _ in
        try Self.check(ys_restart(directory.rawValue, 2 + nodes / 2))
      }
      for time in took { recorder?.record(time) }
      return Timing(nanoseconds: took.reduce(0, +), operations: 5)
    }
  }
}

/// Stores for one use, and stores that hold all nodes.
extension Bench {
  func withFreshStore<R>(_ body: (Store, SyntheticFiles) throws -> R) throws -> R {
    let path = try newDirectory()
    defer { remove(path) }
    let store = try open(path)
    defer { try? store.close() }
    return try body(store, SyntheticFiles(store))
  }

  private func withFreshYardstick<R>(_ body: () throws -> R) throws -> R {
    let path = try newDirectory()
    defer { remove(path) }
    return try withYardstick(path, body)
  }

  private func filledStore() throws -> FilePath {
    let path = try newDirectory()
    let store = try open(path)
    let files = try SyntheticFiles(store)
    for first in stride(from: 0, to: nodes, by: UInt64.Stride(Self.batchSize)) {
      let range = first..<min(first + Self.batchSize, nodes)
      _ = try store.register(batch: files.batch(range), on: files.filesystem)
    }
    try store.close()
    return path
  }

  private func filledYardstick() throws -> FilePath {
    let path = try newDirectory()
    try withYardstick(path) { _ = try Self.check(ys_register(0, nodes, Self.batchSize, 0)) }
    return path
  }
}
