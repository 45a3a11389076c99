import Histogram

/// The times of single operations, in nanoseconds.
final class Recorder {
  private var histogram = Histogram<UInt64>(numberOfSignificantValueDigits: .three)
  private(set) var count: UInt64 = 0

  func record(_ nanoseconds: UInt64) {
    _ = histogram.record(nanoseconds)
    count += 1
  }

  func quantile(_ percent: Double) -> UInt64 { histogram.valueAtPercentile(percent) }
}

/// How the times of single operations are distributed.
struct Latency: Codable {
  struct Point: Codable {
    /// How many of a hundred operations took at most so long.
    let percent: Double
    let nanoseconds: UInt64
  }

  static let operation = "operation"

  /// What was timed: one operation, or several that are one call.
  let sample: String
  let count: UInt64
  /// In rising order. The last one is the slowest of all.
  let points: [Point]

  private static let percents = [
    0, 10, 25, 50, 75, 90, 95, 97.5, 99, 99.5, 99.75, 99.9, 99.95, 99.975, 99.99,
  ]

  /// Returns `nil` if nothing was recorded.
  ///
  /// A percentile needs at least one operation that took longer; others are left out.
  init?(_ recorder: Recorder, of sample: String) {
    guard recorder.count > 0 else { return nil }
    self.sample = sample
    count = recorder.count
    let known = Self.percents.filter { Double(recorder.count) * (100 - $0) >= 100 }
    points = (known + [100]).map {
      Point(percent: $0, nanoseconds: recorder.quantile($0))
    }
  }

  /// Returns a percentile; `nil` if too few operations were timed to know it.
  func quantile(_ percent: Double) -> UInt64? {
    points.first { $0.percent == percent }?.nanoseconds
  }
}
