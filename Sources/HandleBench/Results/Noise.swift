import CYardstick

/// How steady the machine was: a fixed piece of work, repeated before the run and after it.
struct Noise: Codable {
  /// The times of the repetitions in nanoseconds, in the order in which they ran.
  let before: [Int64]
  private(set) var after: [Int64] = []

  /// The machine is noisy from here on, in percent.
  static let limit = 10.0

  /// Repeats the work before the run.
  init() { before = Self.measure() }

  /// Repeats the work after the run.
  mutating func finish() { after = Self.measure() }

  /// How far apart the middle 80 of 100 repetitions are, in percent of the median: the larger value
  /// of the two series.
  var spreadPercent: Double { max(Self.spread(before), Self.spread(after)) }

  /// How much the median changed over the run, in percent.
  var driftPercent: Double {
    let (first, last) = (Self.quantile(before, 50), Self.quantile(after, 50))
    return (last / first - 1).magnitude * 100
  }

  /// Whether other work, or a changing clock rate, disturbed the run.
  var isNoisy: Bool { spreadPercent > Self.limit || driftPercent > Self.limit }

  private static func measure() -> [Int64] {
    // The first repetition fills the table.
    _ = machine_work()
    return (0..<100).map { _ in machine_work() }
  }

  private static func spread(_ times: [Int64]) -> Double {
    (quantile(times, 90) - quantile(times, 10)) / quantile(times, 50) * 100
  }

  /// Returns a percentile of times, of which there must be some.
  private static func quantile(_ times: [Int64], _ percent: Int) -> Double {
    Double(times.sorted()[times.count * percent / 100])
  }
}

extension Noise {
  private enum Keys: String, CodingKey {
    case before, after, spreadPercent, driftPercent, limitPercent, isNoisy
  }

  /// Also writes what follows from the times, for programs that read the file.
  func encode(to encoder: any Encoder) throws {
    var object = encoder.container(keyedBy: Keys.self)
    try object.encode(before, forKey: .before)
    try object.encode(after, forKey: .after)
    try object.encode(shownSpread, forKey: .spreadPercent)
    try object.encode(shownDrift, forKey: .driftPercent)
    try object.encode(Self.limit, forKey: .limitPercent)
    try object.encode(isNoisy, forKey: .isNoisy)
  }

  var shownSpread: Double { Self.rounded(spreadPercent) }
  var shownDrift: Double { Self.rounded(driftPercent) }

  private static func rounded(_ percent: Double) -> Double { (percent * 10).rounded() / 10 }
}
