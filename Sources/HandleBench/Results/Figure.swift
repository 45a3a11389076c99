import Formatting

/// Values with their units, for people.
enum Figure {
  /// Returns a value of a workload, such as `1,493 ns` or `52,140/s`.
  static func text(_ value: Double, _ unit: Unit) -> String {
    switch unit {
    case .nanoseconds: time(value)
    case .operationsPerSecond: "\(number(value))/s"
    case .runsPerSecond: time(1e9 / value)
    case .bytes: bytes(value)
    }
  }

  /// Returns a time in the unit in which it has one to four digits before the point.
  static func time(_ nanoseconds: Double) -> String {
    let size = nanoseconds.magnitude
    return if size < 10_000 {
      "\(number(nanoseconds)) ns"
    } else if size < 10_000_000 {
      "\(number(nanoseconds / 1e3)) µs"
    } else if size < 10_000_000_000 {
      "\(number(nanoseconds / 1e6)) ms"
    } else {
      "\(number(nanoseconds / 1e9)) s"
    }
  }

  static func bytes(_ value: Double) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"]
    var (size, i) = (value, 0)
    while size.magnitude >= 10_240, i < units.count - 1 { (size, i) = (size / 1024, i + 1) }
    return "\(number(size)) \(units[i])"
  }

  /// Returns a number with three digits at least, or all of them before the point.
  static func number(_ value: Double) -> String {
    let size = value.magnitude
    return decimal(value, size == 0 || size >= 100 ? 0 : size >= 10 ? 1 : 2)
  }

  /// Returns a number with some digits after the point, and commas before it.
  static func decimal(_ value: Double, _ places: Int) -> String {
    guard value.isFinite, value.magnitude < 1e15 else { return "\(value)" }
    let scale = (0..<places).reduce(1) { scale, _ in scale * 10 }
    let scaled = Int((value.magnitude * Double(scale)).rounded())
    let sign = value < 0 && scaled > 0 ? "−" : ""
    guard places > 0 else { return sign + Text.grouped(scaled) }
    let fraction = String(scaled % scale)
    return sign + Text.grouped(scaled / scale) + "."
      + String(repeating: "0", count: places - fraction.count) + fraction
  }

  /// Returns what a goal demands, such as `≤ 1.25`.
  static func text(_ goal: Goal, _ unit: Unit) -> String {
    (goal.isAtMost ? "≤ " : "≥ ") + reached(goal.limit, goal, unit)
  }

  /// Returns what a goal limits, such as a ratio.
  static func reached(_ value: Double, _ goal: Goal, _ unit: Unit) -> String {
    goal.measure == .ratio ? decimal(value, 2) : text(value, unit)
  }
}

/// Short forms, for the marks of axes.
extension Figure {
  /// Returns a number without zeros at its end.
  static func plain(_ value: Double) -> String {
    let rounded = (value * 1e6).rounded() / 1e6
    return rounded == rounded.rounded() ? decimal(rounded, 0) : "\(rounded)"
  }

  /// Returns a large number with a letter for thousands or more: 10 k, 3 M.
  static func count(_ value: Double) -> String {
    for (scale, letter) in [(1e9, "G"), (1e6, "M"), (1e3, "k")] where value >= scale {
      return "\(plain(value / scale)) \(letter)"
    }
    return plain(value)
  }

  static func short(_ value: Double, _ unit: Unit) -> String {
    switch unit {
    case .operationsPerSecond, .runsPerSecond: return "\(count(value))/s"
    case .bytes: return value < 10_240 ? "\(plain(value)) B" : bytes(value)
    case .nanoseconds:
      for (scale, name) in [(1e9, "s"), (1e6, "ms"), (1e3, "µs")] where value >= scale {
        return "\(plain(value / scale)) \(name)"
      }
      return "\(plain(value)) ns"
    }
  }
}
