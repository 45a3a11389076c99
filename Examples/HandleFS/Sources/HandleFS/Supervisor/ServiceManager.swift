internal import Glibc
internal import SystemPackage

/// The service manager that started the supervisor, if it waits for messages: the protocol of
/// `sd_notify(3)` and `sd_watchdog_enabled(3)`.
struct ServiceManager {
  private var socket: String?
  /// Milliseconds between two signs of life; `nil` if the manager does not ask for any.
  private var interval: Int?
  /// When the next sign of life is due.
  private(set) var next: Int?
  private var isAwaited = false

  /// No service manager.
  init() {}

  /// The manager of a supervisor that mounts.
  static func ofNewService() -> ServiceManager {
    // The manager may want signs of life of the process that started this one.
    let watched = Processes.variable("WATCHDOG_PID")
    if watched != nil, watched != "\(Processes.id)" { Processes.forget("WATCHDOG_USEC") }
    // The next supervisor inherits the variable, but has another process id.
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

  /// Hides the manager from the programs that this process starts. It waits for messages of the
  /// process that started this one, which is not the service.
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

  /// Returns whether it is time for a sign of life. If so, ``showLife()`` is to follow as soon as
  /// there is one.
  mutating func isDue() -> Bool {
    guard let next, let interval, Processes.now >= next else { return false }
    self.next = Processes.now + interval
    isAwaited = true
    return true
  }

  /// Sends a sign of life, if one is due.
  mutating func showLife() {
    guard isAwaited else { return }
    isAwaited = false
    tell("WATCHDOG=1")
  }
}
