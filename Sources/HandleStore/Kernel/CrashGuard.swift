internal import CHandleSys
internal import SystemPackage

/// What happens when damaged data crash the process. LMDB trusts the pages that it maps: a damaged
/// page can fail an assertion in LMDB (SIGABRT) or make LMDB access memory that is not mapped
/// (SIGSEGV, SIGBUS).
package enum CrashGuard {
  /// Runs `body`; a crash meanwhile ends the process with a message on standard error and an exit
  /// status instead of a signal. For programs that do nothing else meanwhile; one body at a time.
  ///
  /// - Parameters:
  ///   - message: the message, at most 4,095 bytes; a newline is added.
  ///   - status: the exit status, 0…255.
  package static func during<R>(
    message: String, status: Int32, _ body: () throws -> R
  ) rethrows -> R {
    // If the handlers cannot be installed, a crash ends the process with a signal, as usual.
    _ = unsafe hsys_end_on_crash(message + "\n", status)
    defer { hsys_crash_as_usual() }
    return try body()
  }

  /// Prints `message`, because the process is about to abort. Inside ``during(message:status:_:)``
  /// it ends the process at once instead, with that call's message and status.
  static func sayAtEnd(_ message: String) { unsafe hsys_say_at_end(message + "\n") }
}
