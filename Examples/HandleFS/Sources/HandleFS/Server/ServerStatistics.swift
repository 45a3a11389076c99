internal import HandleStore
internal import Synchronization

/// Counts what a server has done since it started. Any thread; no lock.
final class ServerStatistics: Sendable {
  enum Counter: Int, CaseIterable {
    /// Requests that a killed server had already read.
    case resent
    /// Resent requests that had already been carried out.
    case foundDone
    /// Requests that were answered with an error.
    case errors
    /// Changes behind the mount's back of which the kernel was told.
    case changesBehind

    /// The counter's name in the status.
    var name: String {
      switch self {
      case .foundDone: "found_done"
      case .changesBehind: "changes_behind"
      case .resent, .errors: "\(self)"
      }
    }
  }

  /// How long requests of one kind took, in nanoseconds, by the power of two.
  private final class Times: Sendable {
    private let buckets = InlineArray<64, Atomic<UInt64>> { _ in Atomic(0) }
    private let sum = Atomic<UInt64>(0)

    func record(_ nanoseconds: UInt64) {
      buckets[63 - (nanoseconds | 1).leadingZeroBitCount].wrappingAdd(1, ordering: .relaxed)
      sum.wrappingAdd(nanoseconds, ordering: .relaxed)
    }

    var histogram: Statistics.Histogram {
      Statistics.Histogram(
        buckets: buckets.indices.map { buckets[$0].load(ordering: .relaxed) },
        sum: sum.load(ordering: .relaxed))
    }
  }

  private let values = InlineArray<4, Atomic<UInt64>> { _ in Atomic(0) }
  /// At the index of an operation's number.
  private let times = (0..<64).map { _ in Times() }

  func count(_ counter: Counter) {
    values[counter.rawValue].wrappingAdd(1, ordering: .relaxed)
  }

  subscript(counter: Counter) -> UInt64 { values[counter.rawValue].load(ordering: .relaxed) }

  /// Counts a request, which took so many nanoseconds until it was answered.
  func answered(_ operation: UInt32, nanoseconds: UInt64) {
    times[min(Int(operation), times.count - 1)].record(nanoseconds)
  }

  /// The operations that were requested, in alphabetical order, and how long each request took.
  var operations: [(name: String, times: Statistics.Histogram)] {
    times.enumerated().map { (Operations.name(of: UInt32($0)), $1.histogram) }
      .filter { $0.1.count > 0 }.sorted { $0.0 < $1.0 }
  }
}
