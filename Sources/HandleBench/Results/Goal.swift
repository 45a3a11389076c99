/// The limit that a workload has to keep.
struct Goal: Codable {
  /// What is limited.
  enum Measure: String, Codable {
    /// Our value divided by another contender's.
    case ratio
    /// Our value less another contender's.
    case difference
    /// Our value itself.
    case value
  }

  let measure: Measure
  /// The other contender; `nil` if it is the one that comes second.
  var against: String?
  let limit: Double
  /// Whether less is better.
  let isAtMost: Bool

  /// At most this many times as much as another contender.
  static func ratio(_ limit: Double, to other: String? = nil) -> Goal {
    Goal(measure: .ratio, against: other, limit: limit, isAtMost: true)
  }

  /// At least this many times as much as another contender.
  static func atLeast(_ limit: Double, timesThatOf other: String?) -> Goal {
    Goal(measure: .ratio, against: other, limit: limit, isAtMost: false)
  }

  /// At most this much more than the yardstick.
  static func added(_ limit: Double) -> Goal {
    Goal(measure: .difference, limit: limit, isAtMost: true)
  }

  /// At most this much.
  static func value(_ limit: Double) -> Goal {
    Goal(measure: .value, limit: limit, isAtMost: true)
  }

  func isMet(by value: Double) -> Bool { isAtMost ? value <= limit : value >= limit }
}
