internal import Glibc

/// When waiting for the server ends, on `CLOCK_BOOTTIME`, which also runs while the machine sleeps.
struct Deadline {
  let patience: Duration
  private let end: ContinuousClock.Instant

  /// The longest single wait. libpq 15 can hold bytes that it has decrypted and not yet parsed
  /// while the socket has none, and the clock of poll(2) stands still while the machine sleeps.
  private static let longestWait = Duration.milliseconds(20)

  init(after patience: Duration) {
    self.patience = patience
    end = .now + patience
  }

  var isOver: Bool { ContinuousClock.now >= end }

  /// Waits a while for events of a socket (poll(2)); returns whether there is one. A signal ends
  /// the wait early (EINTR), as the end of the while does: the caller looks at the deadline and
  /// waits again.
  func wait(for socket: CInt, _ events: CInt) -> Bool {
    let left = max(.zero, min(Self.longestWait, end - .now))
    // Rounded up: a wait of 0 ms would spin until the deadline.
    let milliseconds = CInt((left / .milliseconds(1)).rounded(.up))
    return Self.poll(socket, events, milliseconds: milliseconds)
  }

  /// Returns whether there is an event of a socket now.
  static func hasEvent(_ socket: CInt, _ events: CInt) -> Bool {
    poll(socket, events, milliseconds: 0)
  }

  /// Waits for an event of a descriptor, and returns whether there is one.
  static func hasEvent(_ descriptor: CInt, within time: Duration) -> Bool {
    poll(descriptor, POLLIN, milliseconds: CInt((time / .milliseconds(1)).rounded(.up)))
  }

  private static func poll(_ socket: CInt, _ events: CInt, milliseconds: CInt) -> Bool {
    var waiting = pollfd(fd: socket, events: Int16(events), revents: 0)
    return unsafe Glibc.poll(&waiting, 1, milliseconds) > 0
  }
}
