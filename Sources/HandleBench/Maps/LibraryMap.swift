import CYardstick
import HandleStore
import SystemPackage

/// A store.
struct LibraryMap: NodeMap {
  let bench: Bench
  let numbering: Numbering

  let name = "library"
  let works = MapWork.allCases

  func measure(
    _ work: MapWork, in directory: FilePath, _ recorder: Recorder?
  ) throws -> Double {
    switch work {
    case .registerSingly: try registerSingly(in: directory, recorder).each
    case .registerBatched: try registerBatched(in: directory, recorder).each
    case .getWarm: try getWarm(in: directory, recorder).each
    case .getRandom: try getRandom(in: directory, recorder).each
    case .reopen: try reopen(directory, recorder).each
    case .size: try size(of: directory) / Double(bench.nodes)
    }
  }

  private func registerSingly(in directory: FilePath, _ recorder: Recorder?) throws -> Timing {
    try bench.withStore(directory) { store in
      let files = try SyntheticFiles(store, numbering)
      let all = files.batch(0..<bench.singly)
      try bench.reserveIDs(of: store, files)
      return try timed(bench.singly, recorder) {
        _ = try store.register(all[Int($0)], on: files.filesystem)
      }
    }
  }

  private func registerBatched(in directory: FilePath, _ recorder: Recorder?) throws -> Timing {
    try bench.withStore(directory) { store in
      let files = try SyntheticFiles(store, numbering)
      var timing = Timing(nanoseconds: 0, operations: bench.nodes)
      for first in stride(from: 0, to: bench.nodes, by: UInt64.Stride(MapWork.batchSize)) {
        try bench.requireGoing()
        let batch = files.batch(first..<min(first + MapWork.batchSize, bench.nodes))
        let start = now()
        _ = try store.register(batch: batch, on: files.filesystem)
        let took = now() - start
        recorder?.record(took)
        timing.nanoseconds += took
      }
      return timing
    }
  }

  /// Gets the same few nodes again and again.
  private func getWarm(in directory: FilePath, _ recorder: Recorder?) throws -> Timing {
    try bench.withStore(directory) { store in
      let few = min(MapWork.few, bench.nodes)
      for n in 0..<few { _ = try store.node(NodeID(rawValue: 2 + n)) }
      return try get(few, of: store, recorder)
    }
  }

  /// Gets nodes from LMDB, because the store keeps none in memory.
  private func getRandom(in directory: FilePath, _ recorder: Recorder?) throws -> Timing {
    try bench.withStore(directory, cacheSize: 0) { try get(bench.nodes, of: $0, recorder) }
  }

  /// Gets random nodes of the first so many.
  private func get(_ nodes: UInt64, of store: Store, _ recorder: Recorder?) throws -> Timing {
    try timed(bench.gets, recorder) { i in
      guard try store.node(NodeID(rawValue: 2 + ys_random(i) % nodes)) != nil else {
        throw BenchError(description: "the store has lost a node")
      }
    }
  }

  private func reopen(_ directory: FilePath, _ recorder: Recorder?) throws -> Timing {
    try timed(MapWork.openings, recorder) { _ in
      let store = try bench.open(directory)
      _ = try store.node(NodeID(rawValue: 2 + bench.nodes / 2))
      try store.close()
    }
  }

  private func size(of path: FilePath) throws -> Double {
    let directory = try FileDescriptor.open(path, .readOnly)
    return try directory.closeAfter {
      Double(try Bench.check(maps_disk_use(directory.rawValue)))
    }
  }
}
