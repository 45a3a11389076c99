internal import CHandleSys
internal import Glibc
internal import SystemPackage

/// The calls that confine files to a subtree.
extension SystemCalls {
  /// Opens one name, or `..`, in a directory (`openat2(2)` with `RESOLVE_NO_XDEV`). A symbolic link
  /// is not followed. Throws `EXDEV` if the name is a mount point.
  static func openName(
    _ name: FilePath, in directory: FileDescriptor, flags: CInt, mode: UInt32 = 0
  ) throws(Errno) -> OwnedDescriptor {
    let fd = try retried {
      unsafe name.withPlatformString { unsafe hsys_open_name(directory.rawValue, $0, flags, mode) }
    }
    return OwnedDescriptor(FileDescriptor(rawValue: fd))
  }

  /// Makes a private mount of a directory (`open_tree(2)`), on which nothing else is mounted.
  /// Closing `tree` unmounts it; files that are open on it stay open, but each one is then slower
  /// to close.
  ///
  /// - Throws: `EPERM` without `CAP_SYS_ADMIN`.
  static func cloneMount(
    of directory: FileDescriptor
  ) throws(Errno) -> (root: OwnedDescriptor, tree: OwnedDescriptor) {
    let tree = OwnedDescriptor(
      FileDescriptor(rawValue: try checked(hsys_clone_mount(directory.rawValue))))
    return (OwnedDescriptor(try open(".", in: tree.descriptor, flags: Self.directory)), tree)
  }

  /// Returns where an open file is on the mount through which it was opened, at one moment: the
  /// kernel builds the path under its rename lock (`d_path`). It reports `/` for a file that is not
  /// below the mount's root, or not known to be.
  ///
  /// - Parameters:
  ///   - descriptor: a file on a mount of ``cloneMount(of:)``.
  ///   - descriptors: `/proc/self/fd`, open.
  /// - Throws: `ENAMETOOLONG` if the path has more than 4,095 bytes; its place is then unknown.
  static func place(
    of descriptor: FileDescriptor, in descriptors: FileDescriptor
  ) throws(Errno) -> PlaceOnMount {
    var buffer = InlineArray<4097, UInt8>(repeating: 0)
    let length = try unsafe withUnsafeMutableBytes(of: &buffer) { (bytes) throws(Errno) in
      try checked(
        unsafe hsys_path_in(
          descriptors.rawValue, descriptor.rawValue,
          bytes.assumingMemoryBound(to: CChar.self)
            .baseAddress, bytes.count))
    }
    guard length > 1 else { return .rootOrUnknown }
    let mark: StaticString = " (deleted)"
    let n = mark.utf8CodeUnitCount
    guard length > n else { return .below }
    for i in 0..<n where unsafe buffer[length - n + i] != mark.utf8Start[i] { return .below }
    return .nameRemoved
  }

  /// Opens the file of an `O_PATH` descriptor anew, whatever its names are now.
  static func reopen(
    _ descriptor: FileDescriptor, flags: CInt, in descriptors: FileDescriptor
  ) throws(Errno) -> FileDescriptor {
    try open(FilePath("\(descriptor.rawValue)"), in: descriptors, flags: flags)
  }

  /// Locks a file exclusively, waiting until no other open file description holds the lock; signals
  /// do not end the wait (`flock(2)`). Closing the file releases the lock.
  static func waitForLock(_ descriptor: FileDescriptor) throws(Errno) {
    try retried { hsys_wait_for_lock(descriptor.rawValue) }
  }

  static var createExclusively: CInt { O_CREAT | O_EXCL }
}

/// The place of an open file relative to a mount.
enum PlaceOnMount {
  /// The file is below the mount's root.
  case below
  /// The file is the root, or is elsewhere, or the kernel knows no name of it.
  case rootOrUnknown
  /// The name by which the kernel knew the file is removed, or ends as if it were. The file may
  /// have others.
  case nameRemoved
}
