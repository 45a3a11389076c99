internal import CHandleSys
public import SystemPackage

extension FileStatus {
  /// Reads the status of an open file of any kind, `O_PATH` too (`statx(2)`).
  public init(of descriptor: FileDescriptor) throws(Errno) {
    self.init(try FullStatus(of: descriptor))
  }

  /// Reads the status of a name in a directory (`statx(2)`). A symbolic link is not followed.
  ///
  /// - Parameters:
  ///   - name: one component, not `.` or `..`.
  ///   - directory: an open directory, `O_PATH` too.
  /// - Throws: `EINVAL` if `name` is anything else, and what `statx(2)` gives.
  public init(name: FilePath, in directory: FileDescriptor) throws(Errno) {
    try name.requireOneName()
    self.init(try FullStatus(directory, name))
  }

  /// Reads the status of the file at a path (`statx(2)`), resolved as by
  /// ``FoundFile/init(resolving:in:)``. Never pass a path that a client sent.
  public init(resolving path: FilePath, in directory: FileDescriptor) throws(Errno) {
    try path.requirePath()
    self.init(try FullStatus(directory, path))
  }

  init(_ full: FullStatus) {
    self.init(
      inode: full.raw.inode, mode: full.raw.mode, links: full.raw.links, size: full.raw.size,
      device: full.raw.device)
  }
}

/// A file's status, with the fields that only this module needs.
struct FullStatus {
  fileprivate let raw: hs_status

  init(_ directory: FileDescriptor, _ name: FilePath, follow: Bool = false) throws(Errno) {
    var raw = hs_status()
    try retried {
      unsafe name.withPlatformString {
        unsafe hs_status_of(directory.rawValue, $0, follow ? 1 : 0, &raw)
      }
    }
    self.raw = raw
  }

  init(of descriptor: FileDescriptor) throws(Errno) {
    var raw = hs_status()
    try retried { unsafe hs_status_of(descriptor.rawValue, "", 0, &raw) }
    self.raw = raw
  }

  var device: UInt64 { raw.device }
  var inode: UInt64 { raw.inode }
  var mode: UInt32 { raw.mode }
  var links: UInt32 { raw.links }
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

/// A filesystem's status (`fstatfs(2)`).
struct FilesystemStatus {
  var magic: FilesystemMagic
  var fsid: UInt64

  init(of descriptor: FileDescriptor) throws(Errno) {
    var (magic, fsid): (UInt64, UInt64) = (0, 0)
    try retried { unsafe hs_filesystem_of(descriptor.rawValue, &magic, &fsid) }
    self.fsid = fsid
    self.magic = FilesystemMagic(rawValue: UInt32(magic))
  }
}
