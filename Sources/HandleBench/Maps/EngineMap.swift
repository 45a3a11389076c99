import CYardstick
import HandleStore
import SystemPackage

/// An engine of `maps.h`, as a plain C program uses it.
struct EngineMap: NodeMap {
  let bench: Bench
  let numbering: Numbering
  let engine: Engine
  /// Whether it puts the rows of a batch in the order of their keys.
  var isSorted = false

  var name: String { isSorted ? "sorted LMDB" : engine.name }

  var works: [MapWork] {
    if isSorted { return [.registerBatched] }
    return MapWork.allCases.filter { engine != .table || $0 != .reopen }
  }

  private var flushes: Int32 { bench.durability == .power ? 1 : 0 }

  func measure(
    _ work: MapWork, in directory: FilePath, _ recorder: Recorder?
  ) throws -> Double {
    let descriptor = try FileDescriptor.open(directory, .readOnly)
    defer { try? descriptor.close() }
    switch work {
    case .registerSingly:
      return try register(bench.singly, batch: 1, in: descriptor, recorder).each
    case .registerBatched:
      return try register(bench.nodes, batch: MapWork.batchSize, in: descriptor, recorder).each
    case .getWarm:
      return try get(min(MapWork.few, bench.nodes), warms: true, in: descriptor, recorder).each
    case .getRandom: return try get(bench.nodes, warms: false, in: descriptor, recorder).each
    case .reopen: return try reopen(descriptor, recorder).each
    case .size: return try size(of: descriptor) / Double(bench.nodes)
    }
  }

  private func register(
    _ count: UInt64, batch: UInt64, in directory: FileDescriptor, _ recorder: Recorder?
  ) throws -> Timing {
    try withMap(directory) { try register(count, batch: batch, recorder) }
  }

  /// Registers files, a million at a time, so that a run can be interrupted.
  private func register(_ count: UInt64, batch: UInt64, _ recorder: Recorder?) throws -> Timing {
    var timing = Timing(nanoseconds: 0, operations: count)
    for first in stride(from: 0, to: count, by: 1_000_000) {
      try bench.requireGoing()
      let some = min(1_000_000, count - first)
      timing.nanoseconds += try Bench.timing(some, recorder) {
        maps_register(numbering.number, first, some, batch, isSorted ? 1 : 0, $0)
      }.nanoseconds
    }
    return timing
  }

  /// Gets random nodes of the first so many.
  ///
  /// - Parameter warms: gets them before, too.
  private func get(
    _ nodes: UInt64, warms: Bool, in directory: FileDescriptor, _ recorder: Recorder?
  ) throws -> Timing {
    try withFilledMap(directory) {
      if warms { try Bench.check(maps_get(nodes, 3 * nodes, 0)) }
      return try Bench.timing(bench.gets, recorder) { maps_get(nodes, bench.gets, $0) }
    }
  }

  private func reopen(_ directory: FileDescriptor, _ recorder: Recorder?) throws -> Timing {
    let times = try (0..<MapWork.openings).map { _ in
      try Bench.check(
        maps_reopen(engine.number, directory.rawValue, flushes, 2 + bench.nodes / 2))
    }
    for time in times { recorder?.record(time) }
    return Timing(nanoseconds: times.reduce(0, +), operations: MapWork.openings)
  }

  private func size(of directory: FileDescriptor) throws -> Double {
    guard engine == .table else {
      return Double(try Bench.check(maps_disk_use(directory.rawValue)))
    }
    return try withFilledMap(directory) { Double(try Bench.check(maps_memory())) }
  }

  /// A table is gone when it is closed, so it is filled again.
  private func withFilledMap<R>(
    _ directory: FileDescriptor, _ body: () throws -> R
  ) throws -> R {
    try withMap(directory) {
      if engine == .table { _ = try register(bench.nodes, batch: MapWork.batchSize, nil) }
      return try body()
    }
  }

  private func withMap<R>(_ directory: FileDescriptor, _ body: () throws -> R) throws -> R {
    try Bench.check(maps_open(engine.number, directory.rawValue, flushes))
    defer { maps_close() }
    return try body()
  }
}
