internal import CFUSE
internal import CHandleFS
internal import Glibc
internal import HandleStore
internal import SystemPackage

extension Server {
  func linkTarget(_ number: UInt64) throws -> Reply { .bytes(try path(number).linkTarget) }

  func attributes(_ number: UInt64) throws -> Reply {
    let node = node(number)
    let wasWritten = written.isAboutToTell(node)
    let status = try pathAndStatus(number).status
    FaultPoint.wait(at: .attributesRead)
    return .status(
      try filesystems.shown(status, node),
      seconds: try timeOfAttributes(node, status, wasWritten: wasWritten))
  }

  /// Returns the attributes with the birth time (STATX).
  func extendedAttributes(_ number: UInt64) throws -> Reply {
    let node = node(number)
    let wasWritten = written.isAboutToTell(node)
    var (file, status) = try pathAndStatus(number)
    let extended = try ExtendedStatus(
      of: file, inode: UInt64(filesystems.shown(status, node).st_ino))
    status.st_mode = extended.mode
    return .extendedStatus(
      extended, seconds: try timeOfAttributes(node, status, wasWritten: wasWritten))
  }

  func setAttributes(
    _ number: UInt64, _ change: AttributeChange, for request: Request
  ) throws -> Reply {
    let file = try path(number)
    try Credentials.keepSetIDs(true)
    if change.has(FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID) {
      try file.setOwner(
        change.has(FUSE_SET_ATTR_UID) ? change.status.st_uid : nil,
        change.has(FUSE_SET_ATTR_GID) ? change.status.st_gid : nil)
    }
    if change.has(FUSE_SET_ATTR_MODE) { try file.setMode(change.status.st_mode) }
    if change.has(FUSE_SET_ATTR_SIZE) {
      // Not one from the cache, which may have been opened before the file became immutable. It is closed
      // at once: a file that is open for writing cannot be executed.
      let data = try withDescriptors {
        try file.reopened(flags: O_RDWR | O_NONBLOCK | O_NOCTTY)
      }
      try request.asCaller {
        try clearingPrivileges(change.clearsPrivileges) {
          try data.truncate(to: change.status.st_size)
        }
      }
    }
    if change.has(FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME) {
      try file.setTimes(access: change.accessTime, modification: change.modificationTime)
    }
    // The kernel takes this status even if it was told meanwhile that the file has changed.
    let node = node(number)
    let wasWritten = written.isAboutToTell(node)
    let status = try file.status
    return .status(
      try filesystems.shown(status, node),
      seconds: try min(timeOfAttributes(node, status, wasWritten: wasWritten), times.brief))
  }

  /// Calls `body`, which changes a file. If `clears` is set, the change clears the set-user-id and
  /// set-group-id bits, as for a caller without CAP_FSETID; otherwise they stay.
  func clearingPrivileges<R>(_ clears: Bool, _ body: () throws -> R) throws -> R {
    try Credentials.keepSetIDs(!clears)
    return try body()
  }
}

extension AttributeChange {
  fileprivate var accessTime: timespec {
    time(status.st_atim, flag: FUSE_SET_ATTR_ATIME, now: FUSE_SET_ATTR_ATIME_NOW)
  }

  fileprivate var modificationTime: timespec {
    time(status.st_mtim, flag: FUSE_SET_ATTR_MTIME, now: FUSE_SET_ATTR_MTIME_NOW)
  }

  private func time(_ value: timespec, flag: CInt, now: CInt) -> timespec {
    guard has(flag) else { return timespec(tv_sec: 0, tv_nsec: Int(HF_TIME_OMIT)) }
    return has(now) ? timespec(tv_sec: 0, tv_nsec: Int(HF_TIME_NOW)) : value
  }
}
