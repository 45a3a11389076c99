public import SystemPackage

/// The part of a file's status (`statx(2)`) that the store needs to register it.
public struct FileStatus: Hashable, Sendable {
  /// The inode's number, `st_ino`.
  public var inode: UInt64
  /// The type and permission bits, `st_mode`.
  public var mode: UInt32
  /// The number of names, `st_nlink`.
  public var links: UInt32
  /// The size in bytes, `st_size`.
  public var size: UInt64
  /// The device number, `st_dev`. Never persisted: it may change with a remount.
  public var device: UInt64

  /// Creates a status from the fields of a server's own `stat`.
  public init(inode: UInt64, mode: UInt32, links: UInt32 = 1, size: UInt64 = 0, device: UInt64 = 0)
  {
    self.inode = inode
    self.mode = mode
    self.links = links
    self.size = size
    self.device = device
  }

  /// The file's type, from ``mode``.
  public var type: FileType { FileMode(rawValue: mode).type }

  /// Returns whether both are of the same file: inode and device number are equal. The file must
  /// have existed at both times, because an inode number is used again after its file is gone.
  public func isOfSameFile(as other: FileStatus) -> Bool {
    inode == other.inode && device == other.device
  }
}

/// The part of a file's status (`statx(2)`) that the store does not need, but a server's client does.
public struct FileAttributes: Hashable, Sendable {
  /// The owner, `st_uid`, and the group, `st_gid`.
  public let owner, group: UInt32
  /// The device that a device node stands for, `st_rdev`; 0 for other files.
  public let deviceNumber: UInt64
  /// The space that the file takes, in units of 512 bytes: `st_blocks`.
  public let blocks: UInt64
  /// The best size for reads and writes, in bytes: `st_blksize`.
  public let blockSize: UInt32
  /// When the file was last read, `st_atim`.
  public let accessed: FileTime
  /// When its data last changed, `st_mtim`.
  public let modified: FileTime
  /// When its status last changed, `st_ctim`.
  public let changed: FileTime
}

/// A time of a file (`timespec`).
public struct FileTime: Hashable, Sendable {
  /// The whole seconds since 1970; negative before.
  public let seconds: Int64
  /// The rest, 0 to 999,999,999.
  public let nanoseconds: UInt32
}
