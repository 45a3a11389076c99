internal import CHandleSys
internal import Glibc
public import SystemPackage

/// The file that a name in a directory leads to. Handle and status always belong to the same file,
/// even if another file takes the name meanwhile.
public struct FoundFile: Sendable {
  /// The file's handle.
  public let handle: KernelFileHandle
  /// The file's status.
  public let status: FileStatus
  /// The id of the mount through which the file was reached. It differs from the directory's if the
  /// name is a mount point. Two ids can be compared while both mounts exist. Never persisted.
  public let mount: Int32

  /// Reads handle and status of an open file (`name_to_handle_at(2)`, `statx(2)`); `O_PATH` too.
  ///
  /// - Throws: `EOPNOTSUPP` if the filesystem has no handles, `EOVERFLOW` if the handle would be
  ///   larger than 128 bytes, `EBADF`.
  /// - Complexity: two system calls, about 1.5 µs. Any thread.
  public init(of descriptor: FileDescriptor) throws(Errno) {
    (handle, mount) = try KernelFileHandle.make(descriptor, "")
    status = try FileStatus(of: descriptor)
  }

  /// Reads handle and status of a name in a directory. A symbolic link is not followed. The file is
  /// opened only as a path (`O_PATH | O_NOFOLLOW`), which has no side effects on it.
  ///
  /// - Parameters:
  ///   - name: one component, not `.` or `..`.
  ///   - directory: an open directory, `O_PATH` too.
  /// - Throws: `EINVAL` if `name` is anything else, what ``init(of:)`` throws, and `ENOENT`,
  ///   `ENOTDIR`, `EACCES`, `EMFILE`.
  /// - Complexity: four system calls, about 4 µs. Any thread.
  public init(name: FilePath, in directory: FileDescriptor) throws(Errno) {
    try name.requireOneName()
    try self.init(resolving: name, in: directory)
  }

  /// Reads handle and status of the file at a path, without confining it: an absolute path starts
  /// at the root of the process, `..` goes up, and symbolic links are followed except at the end.
  /// For the server's own paths; never pass a path that a client sent.
  ///
  /// - Parameters:
  ///   - path: an absolute path, or one that starts in `directory`.
  ///   - directory: an open directory, `O_PATH` too.
  /// - Throws: what ``init(of:)`` throws, and `ENOENT`, `ENOTDIR`, `ELOOP`, `EACCES`, `EMFILE`.
  /// - Complexity: four system calls, about 4 µs. Any thread.
  public init(resolving path: FilePath, in directory: FileDescriptor) throws(Errno) {
    try path.requirePath()
    let file = OwnedDescriptor(
      try SystemCalls.open(path, in: directory, flags: SystemCalls.pathOfName))
    try self.init(of: file.descriptor)
  }

  /// Returns the id of the mount on which the file at a path lies (`statx(2)`), comparable with
  /// ``mount``. Works even if the filesystem has no handles. The path is resolved as by
  /// ``init(resolving:in:)``.
  ///
  /// - Throws: `ENOENT`, `ENOTDIR`, `EACCES`.
  /// - Complexity: one system call. Any thread.
  public static func mount(
    resolving path: FilePath, in directory: FileDescriptor
  ) throws(Errno) -> Int32 {
    try path.requirePath()
    return Int32(truncatingIfNeeded: try FullStatus(directory, path).mount)
  }
}

extension SystemCalls {
  /// `O_NOFOLLOW`: does not follow a symbolic link.
  static var ofName: CInt { O_NOFOLLOW }
  /// `O_PATH | O_NOFOLLOW`: opens a symbolic link itself.
  static var pathOfName: CInt { HS_O_PATH | O_NOFOLLOW }
}
