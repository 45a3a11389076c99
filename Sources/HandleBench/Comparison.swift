import HandleStore
import Histogram

/// The time that a run of operations took.
struct Timing {
  var nanoseconds: UInt64
  var operations: UInt64

  var each: Double { Double(nanoseconds) / Double(max(operations, 1)) }
}

/// The times of single operations, in nanoseconds.
final class Recorder {
  private var histogram = Histogram<UInt64>(numberOfSignificantValueDigits: .three)

  func record(_ nanoseconds: UInt64) { _ = histogram.record(nanoseconds) }

  func quantile(_ percent: Double) -> UInt64 { histogram.valueAtPercentile(percent) }
}

/// The results of one side of a comparison, in nanoseconds for each operation.
struct Side {
  var each: Double
  var p50, p99, p999: UInt64

  init(each: Double, _ recorder: Recorder) {
    self.each = each
    p50 = recorder.quantile(50)
    p99 = recorder.quantile(99)
    p999 = recorder.quantile(99.9)
  }
}

/// The limit that a comparison has to keep.
enum Goal {
  /// The library takes at most this many times as long as the yardstick.
  case ratio(Double)
  /// The library takes at most this many nanoseconds longer than the yardstick.
  case added(Double)
}

/// A workload, run by the library and by the yardstick.
struct Comparison {
  var name: String
  var ours, yardstick: Side
  /// The library's time divided by the yardstick's: the median of the rounds.
  var ratio: Double
  /// The library's time minus the yardstick's, in nanoseconds: the median of the rounds.
  var added: Double
  var goal: Goal?

  /// Runs both sides in turn, `rounds` times, and then once more with recorders.
  ///
  /// - Parameters:
  ///   - ours: does the work once with the library; records single operations if it gets a
  ///     recorder.
  ///   - theirs: does the same with the yardstick.
  init(
    _ name: String, goal: Goal? = nil, rounds: Int,
    ours: (Recorder?) throws -> Timing, theirs: (Recorder?) throws -> Timing
  ) throws {
    var mine: [Double] = []
    var other: [Double] = []
    for _ in 0..<rounds {
      mine.append(try ours(nil).each)
      other.append(try theirs(nil).each)
    }
    let recorders = (Recorder(), Recorder())
    _ = try ours(recorders.0)
    _ = try theirs(recorders.1)
    self.name = name
    self.goal = goal
    self.ours = Side(each: Self.median(mine), recorders.0)
    yardstick = Side(each: Self.median(other), recorders.1)
    ratio = Self.median(zip(mine, other).map { $0 / $1 })
    added = Self.median(zip(mine, other).map { $0 - $1 })
  }

  private static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    let middle = sorted.count / 2
    return sorted.count.isMultiple(of: 2)
      ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
  }
}
