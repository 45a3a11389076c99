internal import CHandleSys
internal import SystemPackage

/// How the process ends when damaged data end it. LMDB trusts the pages that it maps: a damaged one can
/// fail an assertion of it (SIGABRT) or lead it to memory that is not there (SIGSEGV, SIGBUS).
package enum CrashGuard {
  /// Runs a body in a process that a crash ends with an exit status and a message on standard error, and
  /// not with a signal. For programs that do nothing else meanwhile: one body at a time.
  ///
  /// - Parameters:
  ///   - message: what to say, at most 4,095 bytes; an end of line is added.
  ///   - status: 0…255.
  package static func during<R>(
    message: String, status: Int32, _ body: () throws -> R
  ) rethrows -> R {
    // Where it cannot be had, a crash is a signal as usual.
    _ = unsafe hs_end_on_crash(message + "\n", status)
    defer { hs_crash_as_usual() }
    return try body()
  }

  /// Says what is about to end the process.
  static func sayAtEnd(_ message: String) { unsafe hs_say_at_end(message + "\n") }
}
