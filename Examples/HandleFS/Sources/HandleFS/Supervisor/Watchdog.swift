/// Tells when a server has not been heard for too long: it was stopped (SIGSTOP), or does not get to run.
///
/// It is asked a few times before that, so that a machine or a supervisor that itself stood still for a
/// while is no reason.
struct Watchdog {
  private static let questions = 4

  /// Milliseconds between two questions; `nil` where nobody asks.
  private let interval: Int?
  /// How many questions there were since the last answer.
  private var open = 0
  /// When the next one is due.
  private(set) var next: Int?

  /// - Parameter seconds: how long a server may be silent; 0 for as long as it likes.
  init(seconds: Double) {
    interval = seconds > 0 ? max(1, Int(seconds * 1000) / Self.questions) : nil
  }

  /// Watches over a server from here on, as it serves.
  mutating func begin() { hear() }

  /// The server has ended.
  mutating func end() { next = nil }

  /// Something was heard of it.
  mutating func hear() {
    open = 0
    next = interval.map { Processes.now + $0 }
  }

  /// What to do now.
  enum Step {
    case nothing
    case ask
    case kill
  }

  mutating func step() -> Step {
    guard let next, Processes.now >= next, let interval else { return .nothing }
    guard open < Self.questions else {
      end()
      return .kill
    }
    open += 1
    self.next = Processes.now + interval
    return .ask
  }
}
