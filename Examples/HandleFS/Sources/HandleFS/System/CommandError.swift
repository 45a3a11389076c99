/// How a command ended. Docs/HandleFS.md and the help list the codes; `handlestore` has the same.
enum ExitStatus: Int32 {
  case fine = 0
  case finding = 1
  case usage = 2
  case store = 3
  case system = 4
}

/// An error that prints its message and sets the exit code.
struct CommandError: Error, CustomStringConvertible {
  let description: String
  let status: ExitStatus

  init(_ description: String, _ status: ExitStatus = .system) {
    self.description = description
    self.status = status
  }
}

extension CommandError {
  static func notMounted(_ path: String) -> CommandError {
    CommandError("no handlefs is mounted on \(path); see /proc/mounts", .finding)
  }

  /// The error for a mount whose server and supervisor were both killed.
  static func serverIsGone(_ path: String) -> CommandError {
    CommandError(
      "\(path): the processes that served this mount are gone; unmount it first (umount \(path)), "
        + "then mount again", .finding)
  }
}
