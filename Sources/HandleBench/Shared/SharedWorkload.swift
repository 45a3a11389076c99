/// One kind of work in a store: a row of the results.
struct SharedWorkload {
  enum Work {
    /// Registers new files, so many in a call.
    case register(batch: UInt64, threads: Int, gateways: Int)
    /// Registers files that another gateway has registered, for the first time at this one.
    case find(batch: UInt64)
    /// Registers files once more.
    case findAgain
    /// Gets nodes by their ids.
    case get(Place)
    case retire
  }

  /// Where a gateway finds a node.
  enum Place {
    case memory
    /// Its cache's directory.
    case directory
    case database
  }

  let name: String
  let work: Work
  /// How many operations a run has.
  let count: UInt64
  /// In nanoseconds an operation.
  var goal: Goal?

  /// The contender whose stores are in directories, and whose commits survive a kill.
  static let local = "LMDB, process"

  /// What one call does.
  var sample: String {
    switch work {
    case .register(let batch, _, _) where batch > 1, .find(let batch) where batch > 1:
      "batch of \(batch)"
    default: Latency.operation
    }
  }

  /// The threads are those of `SHAREDLOAD_THREADS`.
  static let all = [
    Self(
      name: "register, 1 thread", work: .register(batch: 1, threads: 1, gateways: 1), count: 1000),
    Self(
      name: "register, 16 threads", work: .register(batch: 1, threads: 16, gateways: 1),
      count: 8000),
    Self(
      name: "register, 16 threads, 2 gateways", work: .register(batch: 1, threads: 16, gateways: 2),
      count: 8000),
    Self(
      name: "register, 16 threads, 3 gateways", work: .register(batch: 1, threads: 16, gateways: 3),
      count: 8000, goal: .value(100_000)),
    Self(
      name: "register, batches of 100", work: .register(batch: 100, threads: 1, gateways: 1),
      count: 10_000),
    Self(
      name: "find another gateway's", work: .find(batch: 1), count: 2000, goal: .value(200_000)),
    Self(name: "cold walk, batches of 100", work: .find(batch: 100), count: 20_000),
    Self(name: "find again", work: .findAgain, count: 10_000),
    Self(
      name: "get, from memory", work: .get(.memory), count: 1_000_000, goal: .value(100)),
    Self(
      name: "get, from the cache's directory", work: .get(.directory), count: 100_000,
      goal: .ratio(1.2, to: local)),
    Self(name: "get, from the database", work: .get(.database), count: 2000),
    Self(name: "retire", work: .retire, count: 1000),
  ]
}
