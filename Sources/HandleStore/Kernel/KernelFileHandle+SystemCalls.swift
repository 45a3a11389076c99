internal import CHandleSys
internal import Glibc
public import SystemPackage

extension KernelFileHandle {
  /// `name_to_handle_at(2)` on an open file of any kind, `O_PATH` too.
  ///
  /// - Throws: `EOPNOTSUPP` where the filesystem has no handles, `EOVERFLOW` where the handle would
  ///   be larger than 128 bytes, `EBADF`.
  /// - Complexity: one system call, about a microsecond. Any thread.
  public init(of descriptor: FileDescriptor) throws(Errno) {
    self = try Self.make(descriptor, "").handle
  }

  /// `name_to_handle_at(2)` on a name in a directory. A symbolic link is not followed.
  ///
  /// - Parameters:
  ///   - name: one component, not `.` or `..`.
  ///   - directory: an open directory, `O_PATH` too.
  ///   - connectable: ask for a handle that names the parent too (`AT_HANDLE_CONNECTABLE`, Linux 6.13;
  ///     ext4, XFS and btrfs). The kernel makes one by a name only, not of a descriptor.
  /// - Throws: `EINVAL` if the name is anything else, what ``init(of:)`` throws, and `ENOENT`, `ENOTDIR`,
  ///   `EACCES`.
  public init(
    name: FilePath, in directory: FileDescriptor, connectable: Bool = false
  ) throws(Errno) {
    try name.requireOneName()
    self = try Self.make(directory, name, connectable: connectable).handle
  }

  /// `name_to_handle_at(2)` on what a path leads to, resolved as by ``FoundFile/init(resolving:in:)``:
  /// never for what a client sent.
  public init(
    resolving path: FilePath, in directory: FileDescriptor, connectable: Bool = false
  ) throws(Errno) {
    try path.requirePath()
    self = try Self.make(directory, path, connectable: connectable).handle
  }

  /// The handle and the id of the mount through which the file was reached; an empty name means
  /// the descriptor itself.
  static func make(
    _ directory: FileDescriptor, _ name: FilePath, connectable: Bool = false
  ) throws(Errno) -> (handle: KernelFileHandle, mount: CInt) {
    var raw = hs_handle()
    var mount: CInt = 0
    try retried {
      unsafe name.withPlatformString {
        unsafe hs_handle_of(directory.rawValue, $0, connectable ? 1 : 0, 0, &raw, &mount)
      }
    }
    var words = InlineArray<16, UInt64>(repeating: 0)
    unsafe withUnsafeBytes(of: raw.words) { source in
      for i in 0..<16 {
        unsafe words[i] = source.loadUnaligned(fromByteOffset: i * 8, as: UInt64.self)
      }
    }
    let type = HandleType(rawValue: raw.type)
    // BTRFS_EMPTY_SUBVOL_DIR_OBJECTID: what stands in a snapshot for a nested subvolume has the same
    // handle as all others of its kind.
    if type.withoutFlags == .btrfs && words[0] == 2 { throw .notSupported }
    return (KernelFileHandle(type: type, length: Int(raw.length), words: words), mount)
  }

  /// `open_by_handle_at(2)`: the file that this handle names, whatever its path. Needs
  /// `CAP_DAC_READ_SEARCH`.
  ///
  /// - Parameter below: open only what has a name below the mount's root, by one such name (Linux
  ///   6.13); `ESTALE` else. Of a file that is not a directory the kernel knows only the names that it
  ///   has in its cache, and the one in the directory that a connectable handle names.
  func open(
    on mount: FileDescriptor, flags: CInt, below: Bool = false
  ) throws(Errno) -> FileDescriptor {
    // The kernel says ENOMEM for a number under which an inode is just being created (`iget_locked`
    // gives up on I_CREATING). That takes a moment, after which an old handle is ESTALE.
    for _ in 0..<Self.attempts {
      do throws(Errno) {
        return try openOnce(on: mount, flags: flags, below: below)
      } catch .noMemory {
        SystemCalls.yield()
      }
    }
    return try openOnce(on: mount, flags: flags, below: below)
  }

  private static let attempts = 1000

  private func openOnce(
    on mount: FileDescriptor, flags: CInt, below: Bool
  ) throws(Errno) -> FileDescriptor {
    var copy = words
    let type = type.rawValue | (below ? HS_HANDLE_CONNECTABLE : 0)
    let fd = try retried {
      unsafe withUnsafeBytes(of: &copy) { bytes in
        unsafe hs_open_handle(
          mount.rawValue, type, UInt32(length),
          bytes.assumingMemoryBound(to: UInt64.self).baseAddress, flags)
      }
    }
    return FileDescriptor(rawValue: fd)
  }
}
