internal import ArgumentParser

extension Log {
  /// Runs a process of a mount. If the log is JSON, the error that ends the process is a line of it,
  /// on standard error.
  static func tellingErrors(
    _ role: Role, of mount: MountOptions, _ body: () throws -> Void
  ) throws {
    do {
      try body()
    } catch {
      guard mount.logFormat == .json, !(error is ExitCode) else { throw error }
      let end = CommandExit(error)
      LogLine(role, of: mount.mountpoint).write(.critical, end.message)
      throw ExitCode(end.status)
    }
  }
}
