import HandleStore
import SystemPackage

/// Files that do not exist, with handles as a filesystem would make them.
struct SyntheticFiles {
  let filesystem: FilesystemID
  private let numbering: Numbering
  private let make: (UInt64) -> [UInt8]
  private let type: HandleType

  /// Creates files on the filesystem of a directory: that of the store unless it says otherwise.
  init(
    _ store: Store, _ numbering: Numbering = .scattered, on path: FilePath? = nil
  ) throws {
    self.numbering = numbering
    let directory = try FileDescriptor.open(path ?? store.path, .readOnly)
    defer { try? directory.close() }
    let id = try store.attach(directory)
    filesystem = id
    switch store.knownFilesystems().first(where: { $0.id == id })?.identity.magic.description {
    case "ext4", "f2fs": (type, make) = (.inode32, { Self.bytes($0, 4) + Self.bytes(7, 4) })
    case "xfs": (type, make) = (.inode64, { Self.bytes($0, 8) + Self.bytes(7, 4) })
    case "tmpfs": (type, make) = (.inode32, { Self.bytes(7, 4) + Self.bytes($0, 8) })
    case "btrfs":
      (type, make) = (.btrfs, { Self.bytes($0, 8) + Self.bytes(5, 8) + Self.bytes(7, 4) })
    default:
      throw BenchError(description: "put the stores on ext4, XFS, btrfs or tmpfs (--directory)")
    }
  }

  private static func bytes(_ value: UInt64, _ count: Int) -> [UInt8] {
    Array(value.littleEndianBytes.prefix(count))
  }

  /// The n-th file.
  subscript(n: UInt64) -> FoundFile {
    let inode = numbering.inode(n)
    guard let handle = KernelFileHandle(type: type, bytes: make(inode)) else {
      fatalError("a synthetic handle has a length")
    }
    return FoundFile(handle: handle, status: FileStatus(inode: inode, mode: 0o100_644))
  }

  /// Returns the files of a range.
  func batch(_ range: Range<UInt64>) -> [FoundFile] { range.map { self[$0] } }
}
