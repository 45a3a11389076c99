internal import CHandleSys
internal import Glibc
public import SystemPackage

/// What a name in a directory leads to: a handle and a status that are of one and the same file,
/// also where the name is given to another file meanwhile.
public struct FoundFile: Sendable {
  /// The file's handle.
  public let handle: KernelFileHandle
  /// The file's status.
  public let status: FileStatus
  /// The mount through which the file was reached: another one than the directory's where the name
  /// is a mount point. Good for comparing while both are mounted, and never persisted.
  public let mount: Int32

  /// Takes handle and status of an open file (`name_to_handle_at(2)`, `statx(2)`); `O_PATH` too.
  ///
  /// - Throws: `EOPNOTSUPP` where the filesystem has no handles, `EOVERFLOW` where the handle would
  ///   be larger than 128 bytes, `EBADF`.
  /// - Complexity: two system calls, about 1.5 µs. Any thread.
  public init(of descriptor: FileDescriptor) throws(Errno) {
    (handle, mount) = try KernelFileHandle.make(descriptor, "")
    status = try FileStatus(of: descriptor)
  }

  /// Takes handle and status of a name in a directory. A symbolic link is not followed, and nothing
  /// happens to the file: it is opened as a path (`O_PATH | O_NOFOLLOW`).
  ///
  /// - Parameters:
  ///   - name: one component, not `.` or `..`.
  ///   - directory: an open directory, `O_PATH` too.
  /// - Throws: `EINVAL` if the name is anything else, what ``init(of:)`` throws, and `ENOENT`,
  ///   `ENOTDIR`, `EACCES`, `EMFILE`.
  /// - Complexity: four system calls, about 4 µs. Any thread.
  public init(name: FilePath, in directory: FileDescriptor) throws(Errno) {
    try name.requireOneName()
    try self.init(resolving: name, in: directory)
  }

  /// Takes handle and status of what a path leads to, whatever that is: an absolute path starts at the
  /// root of the process, `..` goes up, and symbolic links are followed but for the last one. For paths
  /// of the server's own, never for what a client sent.
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

  /// The mount on which a path leads to a file (`statx(2)`), as ``mount`` has it: also if the
  /// filesystem there makes no handles. The path is resolved as by ``init(resolving:in:)``.
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
  /// `O_NOFOLLOW`: not what a symbolic link leads to.
  static var ofName: CInt { O_NOFOLLOW }
  /// `O_PATH | O_NOFOLLOW`: a symbolic link itself.
  static var pathOfName: CInt { HS_O_PATH | O_NOFOLLOW }
}
