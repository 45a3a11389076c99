/// Decides when a server has been silent for too long: it was stopped (SIGSTOP), or it does not get
/// to run.
///
/// The server is asked several times before that, so that it is not killed because the machine or
/// the supervisor stood still for a while.
struct Watchdog {
  private static let questions = 4

  /// Milliseconds between two questions; `nil` if the watchdog is off.
  private let interval: Int?
  /// The number of questions since the last answer.
  private var open = 0
  /// When the next question is due; `nil` if no server is watched.
  private(set) var next: Int?

  /// - Parameter seconds: how long a server may be silent; 0 switches the watchdog off.
  init(seconds: Double) {
    interval = seconds > 0 ? max(1, Int(seconds * 1000) / Self.questions) : nil
  }

  /// Starts to watch a server that has begun to serve.
  mutating func begin() { hear() }

  /// Stops watching: the server has ended.
  mutating func end() { next = nil }

  /// Takes note of a message from the server.
  mutating func hear() {
    open = 0
    next = interval.map { Processes.now + $0 }
  }

  /// What the supervisor has to do now.
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
