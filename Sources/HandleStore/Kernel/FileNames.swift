internal import CHandleSys
internal import SystemPackage

/// A name of a file, as the filesystem has it with the file.
struct FileName: Equatable {
  /// A handle of the directory, good for opening it at once: on btrfs it says no generation.
  let directory: KernelFileHandle
  let name: FilePath
}

/// The names that a filesystem keeps with each file: btrfs always (`INODE_REF`, `INODE_EXTREF`), XFS where it
/// was made so (`mkfs.xfs -n parent=1`, `ioctl_xfs_getparents(2)`).
///
/// On btrfs the items are read by `BTRFS_IOC_TREE_SEARCH_V2`, and not `BTRFS_IOC_INO_PATHS`: that gives whole
/// paths, of a file with many names only those that fit into 4 KiB, and a path is wrong as soon as a
/// directory above is renamed.
enum FileNames {
  /// All names of a file that is not a directory; `nil` where the filesystem does not keep them, or does not
  /// tell this process.
  ///
  /// - Parameter directory: an open directory of the filesystem.
  static func of(
    _ handle: KernelFileHandle, on magic: FilesystemMagic, by directory: FileDescriptor
  ) throws(Errno) -> [FileName]? {
    guard let identity = handle.identity(on: magic) else { return nil }
    do throws(Errno) {
      switch magic {
      case .btrfs: return try btrfs(identity.inode, directory)
      case .xfs: return try xfs(identity.inode.words[0], identity.generation, directory)
      default: return nil
      }
    } catch .notPermitted, .inappropriateIOCTLForDevice, .notSupported, .invalidArgument,
      .noSuchFileOrDirectory, .staleHandle
    {
      return nil
    }
  }

  /// An item of a tree of btrfs's has less than a node of the tree, which has 64 KiB at the most.
  private static let bufferSize = 64 << 10

  private static func btrfs(
    _ inode: InodeKey, _ directory: FileDescriptor
  ) throws(Errno) -> [FileName] {
    var names: [FileName] = []
    var (type, offset) = (InodeReference.plain, UInt64(0))
    var buffer = [UInt8](repeating: 0, count: bufferSize)
    while true {
      let count = try checked(
        unsafe hs_btrfs_names(
          directory.rawValue, inode.words[1], inode.words[0], UInt32(type.rawValue), offset,
          &buffer, buffer.count))
      if count == 0 { return names }
      var place = 0
      for _ in 0..<count {
        let item = InodeReference.Item(buffer, at: place)
        item.append(from: buffer, subvolume: inode.words[1], to: &names)
        place = item.end
        guard let last = item.type else { return names }
        (type, offset) = (last, item.offset)
      }
      if offset == .max { return names }
      offset += 1
    }
  }

  private static func xfs(
    _ inode: UInt64, _ generation: UInt32, _ directory: FileDescriptor
  ) throws(Errno) -> [FileName] {
    var names: [FileName] = []
    var cursor: [UInt32] = [0, 0, 0, 0]
    var buffer = [UInt8](repeating: 0, count: bufferSize)
    var more = true
    while more {
      more =
        try checked(
          unsafe hs_xfs_names(
            directory.rawValue, inode, generation, &cursor, &buffer, UInt32(buffer.count))) > 0
      appendParents(buffer, to: &names)
    }
    return names
  }

  /// `struct xfs_getparents_rec`: the directory's `struct xfs_handle` (its generation from the 12th byte on,
  /// its number from the 16th), the record's length, and from the 32nd byte on the name and a zero.
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

/// The items of btrfs's that say which names an inode has.
private enum InodeReference: UInt64 {
  /// In one directory, whose number is the key's offset.
  case plain = 12
  /// In any directories, whose numbers stand in the item.
  case extended = 13

  /// Where an item stands in what the kernel gave, by the `struct btrfs_ioctl_search_header` before it.
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

    /// `{parent 64 where it is extended, index 64, length 16, name}`, as often as there is room.
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
  /// A name, up to a zero.
  fileprivate func name(at place: Int, length: Int) -> FilePath {
    var characters = self[place..<place + length].map { CChar(bitPattern: $0) }
    characters.append(0)
    return FilePath(platformString: characters)
  }
}
