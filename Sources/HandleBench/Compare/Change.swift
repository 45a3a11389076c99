/// How a workload changed from one result to another.
struct Change {
  enum Verdict: Equatable {
    case slower, faster, unchanged
    case unknown(String)
  }

  /// Below this many rounds, chance cannot be told from a change.
  static let leastRounds = 3

  let title: String
  /// What the values are divided by: a contender of both results, whose speed changes with that of the
  /// machine. `nil` if there is none.
  let reference: String?
  /// The cost in each result: a time or a size, divided by that of the reference if there is one.
  let old, new: Double?
  /// The new cost divided by the old one.
  private(set) var bootstrap: Bootstrap?
  let verdict: Verdict

  init(_ old: Comparison, _ new: Comparison) {
    title = new.title
    let common = Self.commonReference(old, new)
    reference = common
    let (before, after) = (Self.costs(old, common), Self.costs(new, common))
    (self.old, self.new) = (Spread(before)?.median, Spread(after)?.median)
    guard min(before.count, after.count) >= Self.leastRounds else {
      verdict = .unknown("fewer than \(Self.leastRounds) rounds")
      return
    }
    let bootstrap = Bootstrap(after, over: before)
    self.bootstrap = bootstrap
    verdict =
      bootstrap.interval.lowerBound > 1
      ? .slower : bootstrap.interval.upperBound < 1 ? .faster : .unchanged
  }

  /// Whether it became slower beyond the noise, and by more than so many percent.
  func isRegression(threshold: Double) -> Bool {
    verdict == .slower && (bootstrap?.ratio ?? 1) > 1 + threshold / 100
  }

  /// The other contender with which both results compare; the first one that both have otherwise.
  private static func commonReference(_ old: Comparison, _ new: Comparison) -> String? {
    // The fastest other server may be another one each time. The bare filesystem comes first.
    new.others.map(\.name).first { name in
      [old, new].allSatisfy { row in
        row.others.first { $0.name == name }?.middle != nil
      }
    }
  }

  /// Returns each round's cost. Rounds that failed are left out.
  private static func costs(_ row: Comparison, _ reference: String?) -> [Double] {
    let other = reference.flatMap { name in row.others.first { $0.name == name } }
    let values =
      other.map { row.ours.values(with: $0, /) } ?? row.ours.rounds.compactMap(\.self)
    // A rate by itself becomes a time in nanoseconds.
    let inverse = other == nil ? 1e9 : 1
    return values.map { row.unit.isMoreBetter ? inverse / $0 : $0 }
  }
}
