internal import Synchronization

/// Which error was logged last. While a database is away, request after request fails with the same one.
final class RecentErrors: Sendable {
  /// For how long the same error is not logged again, in milliseconds.
  private static let pause = 10_000
  private let last = Mutex((text: "", moment: 0))

  /// Returns whether an error is to be logged, and takes note of it.
  func isNew(_ text: String) -> Bool {
    last.withLock { last in
      let now = Processes.now
      guard last.text != text || now - last.moment > Self.pause else { return false }
      last = (text, now)
      return true
    }
  }
}
