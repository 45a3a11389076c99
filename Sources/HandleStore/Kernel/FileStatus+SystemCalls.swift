internal import CHandleSys
internal import SystemPackage

/// What `statx(2)` reports about a file: the public status, and fields that only this module needs.
struct FullStatus {
  private let raw: hsys_status

  /// Reads the status of the file at a path, which starts in a directory. Does not follow a
  /// symbolic link at its end.
  init(_ directory: FileDescriptor, _ path: FilePath) throws(Errno) {
    var raw = hsys_status()
    try retried {
      unsafe path.withPlatformString { unsafe hsys_status_of(directory.rawValue, $0, 0, &raw) }
    }
    self.raw = raw
  }

  /// Reads the status of an open file of any kind, `O_PATH` too.
  init(of descriptor: FileDescriptor) throws(Errno) {
    var raw = hsys_status()
    try retried { unsafe hsys_status_of(descriptor.rawValue, "", 0, &raw) }
    self.raw = raw
  }

  /// What users of the library see of it.
  var file: FileStatus {
    FileStatus(
      inode: raw.inode, mode: raw.mode, links: raw.links, size: raw.size, device: raw.device)
  }
  /// What a server tells its client besides.
  var attributes: FileAttributes { FileAttributes(raw) }
  /// The time of the last change to the inode or its names (`st_ctime`), in nanoseconds since 1970.
  /// Since Linux 6.13 two changes never have the same time if it was read between them.
  var changed: Int64 { raw.change_seconds * 1_000_000_000 + Int64(raw.change_nanoseconds) }
  /// The id of the mount through which the file was reached, as in `/proc/self/mountinfo`.
  var mount: Int { Int(truncatingIfNeeded: raw.mount_id) }
  /// The device that a device node stands for, as `major:minor`.
  var standsFor: String { "\(raw.raw_device_major):\(raw.raw_device_minor)" }
  /// When the inode was created, in whole seconds since 1970; 0 if the filesystem does not store
  /// it.
  var birthSeconds: Int64 { raw.birth_seconds }
  /// When the inode was created, as `seconds.nanoseconds`; `0.0` if the filesystem does not store
  /// it.
  var birth: String { "\(raw.birth_seconds).\(raw.birth_nanoseconds)" }
}

extension FileAttributes {
  fileprivate init(_ raw: hsys_status) {
    owner = raw.uid
    group = raw.gid
    deviceNumber = raw.raw_device
    blocks = raw.blocks
    blockSize = raw.block_size
    accessed = FileTime(seconds: raw.access_seconds, nanoseconds: raw.access_nanoseconds)
    modified = FileTime(seconds: raw.modify_seconds, nanoseconds: raw.modify_nanoseconds)
    changed = FileTime(seconds: raw.change_seconds, nanoseconds: raw.change_nanoseconds)
  }
}

/// A filesystem's status (`fstatfs(2)`).
struct FilesystemStatus {
  var magic: FilesystemMagic
  var fsid: UInt64

  init(of descriptor: FileDescriptor) throws(Errno) {
    var (magic, fsid): (UInt64, UInt64) = (0, 0)
    try retried { unsafe hsys_filesystem_of(descriptor.rawValue, &magic, &fsid) }
    self.fsid = fsid
    self.magic = FilesystemMagic(rawValue: UInt32(magic))
  }
}
