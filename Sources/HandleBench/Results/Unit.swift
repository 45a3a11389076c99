/// What the values of a workload are.
enum Unit: String, Codable {
  /// The time of an operation: the time of the run, divided by the operations of all threads.
  case nanoseconds = "ns"
  case operationsPerSecond = "operations/s"
  /// Of a command. Shown as the seconds that a run takes.
  case runsPerSecond = "runs/s"
  case bytes = "bytes"

  var isMoreBetter: Bool { self == .operationsPerSecond || self == .runsPerSecond }

  /// What the values are, as a heading.
  var title: String {
    switch self {
    case .nanoseconds: "Time of an operation"
    case .operationsPerSecond: "Operations a second"
    case .runsPerSecond: "Time of a run"
    case .bytes: "Size"
    }
  }
}
