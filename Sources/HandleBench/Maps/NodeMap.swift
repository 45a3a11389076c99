import SystemPackage

/// What keeps a record by node id and a node id by handle: a store, or an engine of `maps.h`.
protocol NodeMap {
  var name: String { get }
  /// What it can do.
  var works: [MapWork] { get }

  /// Does a piece of work once, in the order of ``works``.
  ///
  /// - Parameters:
  ///   - directory: one that is empty for ``MapWork/registerSingly`` and
  ///     ``MapWork/registerBatched``. The other works use what the latter left in it.
  ///   - recorder: gets the times of single operations.
  /// - Returns: the time of an operation, or what the work's unit says.
  func measure(_ work: MapWork, in directory: FilePath, _ recorder: Recorder?) throws -> Double
}

/// A workload that every map can do.
enum MapWork: CaseIterable {
  case registerSingly, registerBatched, getWarm, getRandom, reopen, size

  var name: String {
    switch self {
    case .registerSingly: "register, one by one"
    case .registerBatched: "register, batched"
    case .getWarm: "get, warm"
    case .getRandom: "get, random"
    case .reopen: "open, get, close"
    case .size: "size of a node"
    }
  }

  var unit: Unit { self == .size ? .bytes : .nanoseconds }

  /// What the library has to reach. The ratio is that to plain C.
  var goal: Goal? {
    switch self {
    case .registerSingly: .ratio(1.3, to: Engine.lmdb.name)
    case .registerBatched: .ratio(1.1, to: Engine.lmdb.name)
    case .getWarm: .value(60)
    case .getRandom: .ratio(1.1, to: Engine.lmdb.name)
    case .reopen: .value(500_000)
    case .size: .value(95)
    }
  }

  /// How many files a batch has: as many as a directory holds, or more.
  static let batchSize: UInt64 = 10_000
  /// Among how many nodes, if they are to be in all caches.
  static let few: UInt64 = 10_000
  /// How often a run opens a map.
  static let openings: UInt64 = 5
}
