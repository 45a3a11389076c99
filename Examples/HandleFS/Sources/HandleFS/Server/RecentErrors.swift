internal import HandleStore
internal import HandleLocks
internal import SystemPackage

/// Which error was logged last. While a database is away, request after request fails with the same one.
final class RecentErrors: Sendable {
  /// For how long the same error is not logged again, in milliseconds.
  private static let pause = 10_000
  private let last = Locked((name: "", moment: 0))

  /// Returns whether an error is to be logged, and takes note of it.
  func isNew(_ error: any Error) -> Bool {
    let name = Self.name(of: error)
    return last.withLock { last in
      let now = Processes.now
      guard last.name != name || now - last.moment > Self.pause else { return false }
      last = (name, now)
      return true
    }
  }

  /// A database that is away says so in several ways.
  private static func name(of error: any Error) -> String {
    if case StoreError.system(.timedOut, _) = error { return "\(Errno.timedOut)" }
    return "\(error)"
  }
}
