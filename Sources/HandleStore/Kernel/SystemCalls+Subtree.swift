internal import CHandleSys
internal import Glibc
internal import SystemPackage

/// The calls by which a file is kept in a subtree.
extension SystemCalls {
  /// `openat2(2)` of one name, or `..`, in a directory, with `RESOLVE_NO_XDEV`; a symbolic link is not
  /// followed. `EXDEV` where the name is a mount point.
  static func openName(
    _ name: FilePath, in directory: FileDescriptor, flags: CInt, mode: UInt32 = 0
  ) throws(Errno) -> OwnedDescriptor {
    let fd = try retried {
      unsafe name.withPlatformString { unsafe hs_open_name(directory.rawValue, $0, flags, mode) }
    }
    return OwnedDescriptor(FileDescriptor(rawValue: fd))
  }

  /// A mount of one's own of a directory (`open_tree(2)`), on which nothing else is mounted. It is
  /// unmounted with `tree`: files on it stay open, but from then on each one is slower to close.
  ///
  /// - Throws: `EPERM` without `CAP_SYS_ADMIN`.
  static func cloneMount(
    of directory: FileDescriptor
  ) throws(Errno) -> (root: OwnedDescriptor, tree: OwnedDescriptor) {
    let tree = OwnedDescriptor(
      FileDescriptor(rawValue: try checked(hs_clone_mount(directory.rawValue))))
    return (OwnedDescriptor(try open(".", in: tree.descriptor, flags: Self.directory)), tree)
  }

  /// Where an open file is below the root of the mount that it was opened through, at one moment:
  /// the kernel puts the path together under its lock on renames (`d_path`), and gives `/` for what is
  /// not below the root, or not known to be.
  ///
  /// - Parameters:
  ///   - descriptor: a file on a mount of ``cloneMount(of:)``.
  ///   - descriptors: `/proc/self/fd`, open.
  /// - Throws: `ENAMETOOLONG` where the path has more than 4,096 bytes: then nothing is known.
  static func place(
    of descriptor: FileDescriptor, in descriptors: FileDescriptor
  ) throws(Errno) -> PlaceOnMount {
    var buffer = InlineArray<4097, UInt8>(repeating: 0)
    let length = try unsafe withUnsafeMutableBytes(of: &buffer) { (bytes) throws(Errno) in
      try checked(
        unsafe hs_path_in(
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

  /// Opens what an `O_PATH` descriptor stands for, whatever its names are by now.
  static func reopen(
    _ descriptor: FileDescriptor, flags: CInt, in descriptors: FileDescriptor
  ) throws(Errno) -> FileDescriptor {
    try open(FilePath("\(descriptor.rawValue)"), in: descriptors, flags: flags)
  }

  /// `flock(2)`: waits until nobody else has the file locked, whatever signals come meanwhile. Let go
  /// when it is closed.
  static func waitForLock(_ descriptor: FileDescriptor) throws(Errno) {
    try retried { hs_wait_for_lock(descriptor.rawValue) }
  }

  static var createExclusively: CInt { O_CREAT | O_EXCL }
}

/// Where an open file is on a mount.
enum PlaceOnMount {
  /// Below its root.
  case below
  /// It is the root, or elsewhere, or no name of it is known.
  case rootOrUnknown
  /// The name by which it was known is gone, or looks as if it were. It may have others.
  case nameRemoved
}
