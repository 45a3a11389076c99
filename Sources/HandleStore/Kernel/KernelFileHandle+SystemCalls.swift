internal import CHandleSys
internal import Glibc
internal import SystemPackage

extension KernelFileHandle {
  /// Makes the handle of an open file of any kind, `O_PATH` too (`name_to_handle_at(2)`).
  static func make(of descriptor: FileDescriptor) throws(Errno) -> KernelFileHandle {
    try make(descriptor, "").handle
  }

  /// Returns a file's handle and the id of the mount through which the file was reached. An empty
  /// name means the descriptor itself.
  static func make(
    _ directory: FileDescriptor, _ name: FilePath, connectable: Bool = false
  ) throws(Errno) -> (handle: KernelFileHandle, mount: CInt) {
    var raw = hsys_handle()
    var mount: CInt = 0
    try retried {
      unsafe name.withPlatformString {
        unsafe hsys_handle_of(directory.rawValue, $0, connectable ? 1 : 0, 0, &raw, &mount)
      }
    }
    return (try KernelFileHandle(raw), mount)
  }

  private init(_ raw: hsys_handle) throws(Errno) {
    var words = InlineArray<16, UInt64>(repeating: 0)
    unsafe withUnsafeBytes(of: raw.words) { source in
      for i in 0..<16 {
        unsafe words[i] = source.loadUnaligned(fromByteOffset: i * 8, as: UInt64.self)
      }
    }
    let type = HandleType(rawValue: raw.type)
    // BTRFS_EMPTY_SUBVOL_DIR_OBJECTID: in a snapshot, an empty directory stands for each nested
    // subvolume, and all of these directories have the same handle.
    if type.withoutFlags == .btrfs && words[0] == 2 { throw .notSupported }
    self.init(type: type, length: Int(raw.length), words: words)
  }

  /// Returns a handle that names a file, but need not open it. An empty name means the descriptor
  /// itself. If the filesystem makes no handles, the handle has the file's device and inode numbers.
  static func identifying(
    _ directory: FileDescriptor, _ name: FilePath
  ) throws(Errno) -> KernelFileHandle {
    do throws(Errno) {
      return try make(directory, name).handle
    } catch .notSupported {
    } catch .overflow {
    }
    if let identifier = try? identifier(directory, name) { return identifier }
    return KernelFileHandle(naming: try FullStatus(directory, name).file)
  }

  private static func identifier(
    _ directory: FileDescriptor, _ name: FilePath
  ) throws(Errno) -> KernelFileHandle {
    var raw = hsys_handle()
    try retried {
      unsafe name.withPlatformString { unsafe hsys_identifier_of(directory.rawValue, $0, &raw) }
    }
    return try KernelFileHandle(raw)
  }

  private init(naming file: FileStatus) {
    var words = InlineArray<16, UInt64>(repeating: 0)
    words[0] = file.inode
    words[1] = file.device
    self.init(type: .inodeAndDevice, length: 16, words: words)
  }

  /// Opens the file that this handle names, whatever its path (`open_by_handle_at(2)`). Needs
  /// `CAP_DAC_READ_SEARCH`.
  ///
  /// - Parameter below: whether to open only a file that has a name below the mount's root, through
  ///   such a name (Linux 6.13), and to throw `ESTALE` otherwise. Of a file that is not a
  ///   directory, the kernel considers only the names in its cache and the name in the directory
  ///   that a connectable handle contains.
  func open(
    on mount: FileDescriptor, flags: CInt, below: Bool = false
  ) throws(Errno) -> FileDescriptor {
    // The kernel returns ENOMEM for an inode number under which a file is just being created
    // (`iget_locked` gives up on I_CREATING). A moment later the creation is done, and a handle of
    // an earlier file is ESTALE.
    for attempt in 0..<Self.attempts {
      do throws(Errno) {
        return try openOnce(on: mount, flags: flags, below: below)
      } catch .noMemory {
        // If the creating thread does not run, yielding is not enough.
        if attempt < Self.yields {
          SystemCalls.yield()
        } else {
          SystemCalls.sleep(microseconds: 1000)
        }
      }
    }
    return try openOnce(on: mount, flags: flags, below: below)
  }

  private static let yields = 100
  private static let attempts = yields + 1000

  private func openOnce(
    on mount: FileDescriptor, flags: CInt, below: Bool
  ) throws(Errno) -> FileDescriptor {
    var copy = words
    let type = type.rawValue | (below ? HS_HANDLE_CONNECTABLE : 0)
    let fd = try retried {
      unsafe withUnsafeBytes(of: &copy) { bytes in
        unsafe hsys_open_handle(
          mount.rawValue, type, UInt32(length),
          bytes.assumingMemoryBound(to: UInt64.self).baseAddress, flags)
      }
    }
    return FileDescriptor(rawValue: fd)
  }
}
