internal import CHandleSys
internal import SystemPackage

/// One name of a file, as the filesystem stores it with the file.
struct FileName: Equatable {
  /// A handle of the directory, for immediate use: on btrfs it contains no generation.
  let directory: KernelFileHandle
  let name: FilePath
}

/// Reads the names that a filesystem stores with each file. Btrfs always stores them (`INODE_REF`,
/// `INODE_EXTREF`); XFS does if it was made with `mkfs.xfs -n parent=1`
/// (`ioctl_xfs_getparents(2)`).
///
/// On btrfs, `BTRFS_IOC_TREE_SEARCH_V2` reads the items. `BTRFS_IOC_INO_PATHS` would not do: it
/// returns whole paths, of a file with many names only those that fit into 4 KiB, and a path is
/// wrong as soon as a parent directory is renamed.
enum FileNames {
  /// Returns all names of a file that is not a directory, or `nil` if the filesystem does not store
  /// them or does not let this process read them.
  ///
  /// - Parameter directory: an open directory of the filesystem.
  static func of(
    _ handle: KernelFileHandle, on magic: FilesystemMagic, by directory: FileDescriptor
  ) throws(Errno) -> [FileName]? {
    guard let key = handle.fileKey(on: magic) else { return nil }
    do throws(Errno) {
      switch magic {
      case .btrfs: return try btrfs(key.number, subvolume: key.words[1], directory)
      case .xfs: return try xfs(key.number, generation: key.generation, on: directory)
      default: return nil
      }
    } catch .notPermitted, .inappropriateIOCTLForDevice, .notSupported, .invalidArgument,
      .noSuchFileOrDirectory, .staleHandle
    {
      return nil
    }
  }

  /// An item of a btrfs tree is smaller than a node of that tree, which has at most 64 KiB.
  private static let bufferSize = 64 << 10

  private static func btrfs(
    _ inode: UInt64, subvolume: UInt64, _ directory: FileDescriptor
  ) throws(Errno) -> [FileName] {
    var names: [FileName] = []
    var (type, offset) = (InodeReference.plain, UInt64(0))
    var buffer = [UInt8](repeating: 0, count: bufferSize)
    while true {
      let count = try checked(
        unsafe hsys_btrfs_names(
          directory.rawValue, subvolume, inode, UInt32(type.rawValue), offset,
          &buffer, buffer.count))
      if count == 0 { return names }
      var place = 0
      for _ in 0..<count {
        let item = InodeReference.Item(buffer, at: place)
        item.append(from: buffer, subvolume: subvolume, to: &names)
        place = item.end
        guard let last = item.type else { return names }
        (type, offset) = (last, item.offset)
      }
      if offset == .max { return names }
      offset += 1
    }
  }

  private static func xfs(
    _ inode: UInt64, generation: UInt32, on directory: FileDescriptor
  ) throws(Errno) -> [FileName] {
    var names: [FileName] = []
    var cursor: [UInt32] = [0, 0, 0, 0]
    var buffer = [UInt8](repeating: 0, count: bufferSize)
    var more = true
    while more {
      more =
        try checked(
          unsafe hsys_xfs_names(
            directory.rawValue, inode, generation, &cursor, &buffer, UInt32(buffer.count))) > 0
      appendParents(buffer, to: &names)
    }
    return names
  }

  /// Reads `struct xfs_getparents_rec` records. Each holds the directory's `struct xfs_handle` (its
  /// generation at byte 12, its inode number at byte 16), the record's length at byte 24, and from
  /// byte 32 on the name and a zero.
  private static func appendParents(_ buffer: [UInt8], to names: inout [FileName]) {
    var place = 0
    while place + 32 < buffer.count {
      let length = buffer.uint32(at: place + 24)
      guard length > 32, place + length <= buffer.count else { return }
      let words: InlineArray<2, UInt64> = [
        buffer.uint64(at: place + 16), UInt64(buffer.uint32(at: place + 12)),
      ]
      names.append(
        FileName(
          directory: KernelFileHandle(type: .inode64, length: 12, words: words),
          name: buffer.name(at: place + 32, length: length - 32)))
      place += length
    }
  }
}

/// The btrfs items that hold an inode's names.
private enum InodeReference: UInt64 {
  /// Names in one directory, whose inode number is the key's offset.
  case plain = 12
  /// Names in any directories, whose inode numbers are in the item.
  case extended = 13

  /// The position of an item in the kernel's answer, from the `struct btrfs_ioctl_search_header`
  /// before it.
  struct Item {
    let type: InodeReference?
    let offset: UInt64
    private let start: Int
    let end: Int

    init(_ buffer: [UInt8], at place: Int) {
      offset = buffer.uint64(at: place + 16)
      type = InodeReference(rawValue: UInt64(buffer.uint32(at: place + 24)))
      start = place + 32
      end = start + buffer.uint32(at: place + 28)
    }

    /// Reads `{parent 64 (extended items only), index 64, length 16, name}`, repeated to the item's
    /// end.
    func append(from buffer: [UInt8], subvolume: UInt64, to names: inout [FileName]) {
      let header = type == .extended ? 18 : 10
      var place = start
      while place + header < end {
        let length = buffer.uint16(at: place + header - 2)
        let directory = type == .extended ? buffer.uint64(at: place) : offset
        names.append(
          FileName(
            directory: KernelFileHandle(
              type: .btrfs, length: 20, words: [directory, subvolume]),
            name: buffer.name(at: place + header, length: length)))
        place += header + length
      }
    }
  }
}

extension KernelFileHandle {
  fileprivate init(type: HandleType, length: Int, words front: InlineArray<2, UInt64>) {
    var words = InlineArray<16, UInt64>(repeating: 0)
    (words[0], words[1]) = (front[0], front[1])
    self.init(type: type, length: length, words: words)
  }
}

extension [UInt8] {
  /// Returns the name at `place`, up to its first zero.
  fileprivate func name(at place: Int, length: Int) -> FilePath {
    FilePath(bytes: self[place..<place + length])
  }
}
