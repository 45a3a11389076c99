/// An error with what it says.
struct CommandError: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

extension CommandError {
  /// Both processes of what is mounted on a path were killed.
  static func serverIsGone(_ path: String) -> CommandError {
    CommandError(
      "\(path): the processes that served what is mounted there are gone; unmount it first (umount \(path)), "
        + "then mount it again")
  }
}
