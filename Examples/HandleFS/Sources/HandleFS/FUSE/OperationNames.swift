internal import CFUSE
internal import CHandleFS

extension Operations {
  /// Returns the name of an operation of the protocol, for counters.
  static func name(of operation: UInt32) -> String { names[operation] ?? "\(operation)" }

  private static let names: [UInt32: String] = [
    FUSE_LOOKUP.rawValue: "lookup", FUSE_FORGET.rawValue: "forget",
    FUSE_BATCH_FORGET.rawValue: "batch_forget", FUSE_GETATTR.rawValue: "getattr",
    FUSE_SETATTR.rawValue: "setattr", FUSE_READLINK.rawValue: "readlink",
    FUSE_STATFS.rawValue: "statfs", FUSE_MKNOD.rawValue: "mknod", FUSE_MKDIR.rawValue: "mkdir",
    FUSE_SYMLINK.rawValue: "symlink", FUSE_LINK.rawValue: "link", FUSE_UNLINK.rawValue: "unlink",
    FUSE_RMDIR.rawValue: "rmdir", FUSE_RENAME.rawValue: "rename",
    FUSE_RENAME2.rawValue: "rename2", FUSE_CREATE.rawValue: "create", FUSE_OPEN.rawValue: "open",
    FUSE_RELEASE.rawValue: "release", FUSE_READ.rawValue: "read", FUSE_WRITE.rawValue: "write",
    FUSE_FSYNC.rawValue: "fsync", FUSE_FALLOCATE.rawValue: "fallocate",
    FUSE_LSEEK.rawValue: "lseek", FUSE_IOCTL.rawValue: "ioctl",
    FUSE_COPY_FILE_RANGE.rawValue: "copy_file_range",
    FUSE_OPENDIR.rawValue: "opendir", FUSE_READDIR.rawValue: "readdir",
    FUSE_READDIRPLUS.rawValue: "readdirplus", FUSE_RELEASEDIR.rawValue: "releasedir",
    FUSE_FSYNCDIR.rawValue: "fsyncdir", FUSE_GETXATTR.rawValue: "getxattr",
    FUSE_LISTXATTR.rawValue: "listxattr", FUSE_SETXATTR.rawValue: "setxattr",
    FUSE_REMOVEXATTR.rawValue: "removexattr", HF_TMPFILE: "tmpfile", HF_STATX: "statx",
  ]
}
