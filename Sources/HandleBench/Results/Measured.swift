/// What one contender needed for a workload.
struct Measured: Codable {
  let name: String
  /// The value of each round, in the workload's unit; `nil` if the work failed.
  let rounds: [Double?]
  /// Of single operations, in one more round.
  var latency: Latency?

  init(name: String, rounds: [Double?], latency: Latency? = nil) {
    self.name = name
    self.rounds = rounds.map { $0.map(Self.rounded) }
    self.latency = latency
  }

  /// The values of the rounds in which the work succeeded; `nil` if there is none.
  var spread: Spread? { Spread(rounds.compactMap(\.self)) }

  /// The median of the rounds.
  var middle: Double? { spread?.median }

  /// Combines each round's value with that of another contender in the same round. Rounds in which
  /// either failed are left out.
  func values(with other: Measured, _ combine: (Double, Double) -> Double) -> [Double] {
    zip(rounds, other.rounds).compactMap { ours, theirs in
      if let ours, let theirs { combine(ours, theirs) } else { nil }
    }
  }

  /// The same; `nil` if no round is left.
  func spread(with other: Measured, _ combine: (Double, Double) -> Double) -> Spread? {
    Spread(values(with: other, combine))
  }

  /// Returns a value with six digits: no clock tells more.
  private static func rounded(_ value: Double) -> Double {
    guard value.isFinite, value != 0 else { return value }
    var scale = 1.0
    while (value * scale).magnitude < 100_000 { scale *= 10 }
    return (value * scale).rounded() / scale
  }
}

/// The middle of some values, and how far they reach.
struct Spread: Codable {
  let median, lowest, highest: Double

  /// Returns `nil` if there are no values.
  init?(_ values: [Double]) {
    let sorted = values.sorted()
    guard let first = sorted.first, let last = sorted.last else { return nil }
    let middle = sorted.count / 2
    median =
      sorted.count.isMultiple(of: 2) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
    (lowest, highest) = (first, last)
  }

  /// Half the distance from the lowest to the highest value, in percent of the median.
  var percent: Int { Int(((highest - lowest) / median * 50).rounded()) }
}
