internal import Glibc
internal import HandleStore
internal import SystemPackage

extension Server {
  /// Returns a file's flags, or changes them.
  ///
  /// Before the kernel sends a change, it reads the present extended flags to check whether the
  /// caller may make this change. If it cannot read them, it sends what the caller asks for
  /// unchecked. So a file whose extended flags cannot be read keeps its flags.
  ///
  /// - Throws: `ENOTTY` for any other ioctl, and if the filesystem has no flags.
  func flags(
    _ number: UInt64, command: UInt32, _ wanted: RequestBytes, for request: Request
  ) throws -> Reply {
    guard let kind = FileFlags(command: command) else {
      throw Errno.inappropriateIOCTLForDevice
    }
    let path = try path(number)
    let file = try withDescriptors { try path.reopened(flags: O_RDONLY | O_NONBLOCK | O_NOCTTY) }
    guard kind.changes else { return .control(try file.flags(kind)) }
    guard wanted.count == kind.size else { throw Errno.invalidArgument }
    _ = try file.flags(.getExtended)
    // XFS clears set-id bits for a caller who may not set them.
    try Credentials.keepSetIDs(request.maySetID)
    try file.setFlags(kind, wanted)
    // The change time has moved. The kernel does not ask for it by itself.
    invalidation.invalidate(node(number))
    return .control([])
  }
}
