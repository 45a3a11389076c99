/// An error that prints its message.
struct CommandError: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

extension CommandError {
  /// The error for a mount whose server and supervisor were both killed.
  static func serverIsGone(_ path: String) -> CommandError {
    CommandError(
      "\(path): the processes that served this mount are gone; unmount it first (umount \(path)), "
        + "then mount again")
  }
}
