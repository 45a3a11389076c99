internal import CHandleSys
public import SystemPackage

extension FileStatus {
  /// `statx(2)` on an open file of any kind, `O_PATH` too.
  public init(of descriptor: FileDescriptor) throws(Errno) {
    self.init(try FullStatus(of: descriptor))
  }

  /// `statx(2)` on a name in a directory: one component, not `.` or `..`. A symbolic link is not
  /// followed.
  ///
  /// - Throws: `EINVAL` if the name is anything else, and what `statx(2)` gives.
  public init(name: FilePath, in directory: FileDescriptor) throws(Errno) {
    try name.requireOneName()
    self.init(try FullStatus(directory, name))
  }

  /// `statx(2)` on what a path leads to, resolved as by ``FoundFile/init(resolving:in:)``: never for
  /// what a client sent.
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

/// A status with what only this module needs.
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
  /// The last change of the inode, of its names too (`st_ctime`); nanoseconds since 1970. Since Linux
  /// 6.13 no two changes have the same one where it was asked for in between.
  var changed: Int64 { raw.change_seconds * 1_000_000_000 + Int64(raw.change_nanoseconds) }
  /// The id of the mount through which the file was reached, as in `/proc/self/mountinfo`.
  var mount: Int { Int(truncatingIfNeeded: raw.mount_id) }
  /// What a device node stands for, as `major:minor`.
  var standsFor: String { "\(raw.raw_device_major):\(raw.raw_device_minor)" }
  /// When the inode came into being, in whole seconds since 1970; 0 where that is not kept.
  var birthSeconds: Int64 { raw.birth_seconds }
  /// When the inode came into being, as `seconds.nanoseconds`; `0.0` where that is not kept.
  var birth: String { "\(raw.birth_seconds).\(raw.birth_nanoseconds)" }
}

/// What `fstatfs(2)` says.
struct FilesystemStatus {
  var magic: FilesystemMagic
  var fsid: UInt64
  /// Bytes that this caller can still use.
  var free: UInt64

  init(of descriptor: FileDescriptor) throws(Errno) {
    var (magic, fsid, free): (UInt64, UInt64, UInt64) = (0, 0, 0)
    try retried {
      unsafe hs_filesystem_of(descriptor.rawValue, &magic, &fsid, &free)
    }
    (self.fsid, self.free) = (fsid, free)
    self.magic = FilesystemMagic(rawValue: UInt32(magic))
  }
}
