internal import Glibc
internal import SystemPackage

/// The service manager that started the supervisor, if it waits for messages: the protocol of
/// `sd_notify(3)` and `sd_watchdog_enabled(3)`.
struct ServiceManager {
  private var socket: String?
  /// Milliseconds between two signs of life; `nil` if the manager does not ask for any.
  private var interval: Int?
  /// When to see about the next sign of life.
  private(set) var next: Int?
  private var isAwaited = false

  /// No service manager.
  init() {}

  /// The manager of a supervisor that mounts.
  static func ofNewService() -> ServiceManager {
    // Signs of life may be meant for the process that started this one.
    let watched = Processes.variable("WATCHDOG_PID")
    if watched != nil, watched != "\(Processes.id)" { Processes.forget("WATCHDOG_USEC") }
    // The next supervisor has another number.
    Processes.forget("WATCHDOG_PID")
    return inherited()
  }

  /// The manager of a supervisor that takes over from one that was killed.
  static func inherited() -> ServiceManager {
    var manager = ServiceManager()
    manager.socket = Processes.variable("NOTIFY_SOCKET")
    guard manager.socket != nil else { return manager }
    let timeout = Processes.variable("WATCHDOG_USEC").flatMap { Int($0) } ?? 0
    manager.interval = timeout > 0 ? max(1, timeout / 2000) : nil
    manager.next = manager.interval.map { _ in Processes.now }
    return manager
  }

  /// Makes the manager that started this process none of what this process starts.
  static func disown() {
    for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"] { Processes.forget(name) }
  }

  func tell(_ lines: String...) {
    guard let socket else { return }
    Processes.notify(socket, lines.joined(separator: "\n"))
  }

  func tellReloading() {
    tell(
      "RELOADING=1", "MONOTONIC_USEC=\(Processes.nowMicroseconds)", "STATUS=Replacing the server")
  }

  /// Whether it is time for a sign of life. From then on one is awaited.
  mutating func isDue() -> Bool {
    guard let next, let interval, Processes.now >= next else { return false }
    self.next = Processes.now + interval
    isAwaited = true
    return true
  }

  /// Shows the sign of life that is awaited, if one is.
  mutating func showLife() {
    guard isAwaited else { return }
    isAwaited = false
    tell("WATCHDOG=1")
  }
}
