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
  ///   - name: one component or a relative path.
  ///   - directory: an open directory, `O_PATH` too.
  /// - Throws: what ``init(of:)`` throws, and `ENOENT`, `ENOTDIR`, `EACCES`, `EMFILE`.
  /// - Complexity: four system calls, about 4 µs. Any thread.
  public init(name: FilePath, in directory: FileDescriptor) throws(Errno) {
    guard !name.isEmpty else { throw .noSuchFileOrDirectory }
    let file = OwnedDescriptor(
      try SystemCalls.open(name, in: directory, flags: SystemCalls.pathOfName))
    try self.init(of: file.descriptor)
  }

  /// The mount on which a name leads to a file (`statx(2)`), as ``mount`` has it: also where the
  /// filesystem there makes no handles.
  ///
  /// - Throws: `ENOENT`, `ENOTDIR`, `EACCES`.
  /// - Complexity: one system call. Any thread.
  public static func mount(of name: FilePath, in directory: FileDescriptor) throws(Errno) -> Int32 {
    guard !name.isEmpty else { throw .noSuchFileOrDirectory }
    return Int32(truncatingIfNeeded: try FullStatus(directory, name).mount)
  }
}

extension SystemCalls {
  /// `O_NOFOLLOW`: not what a symbolic link leads to.
  static var ofName: CInt { O_NOFOLLOW }
  /// `O_PATH | O_NOFOLLOW`: a symbolic link itself.
  static var pathOfName: CInt { HS_O_PATH | O_NOFOLLOW }
}
