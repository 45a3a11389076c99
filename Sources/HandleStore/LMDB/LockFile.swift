internal import SystemPackage

/// LMDB's file `lock.mdb`, to which it writes through a map in every mode, when it only reads too.
/// So each page of the file needs its block before LMDB opens it: else a full disk is a SIGBUS.
enum LockFile {
  private static let name: FilePath.Component = "lock.mdb"
  /// What LMDB needs for a thousand readers, rounded up.
  private static let size = 64 << 10

  /// Whether the file has another name, perhaps in another store's directory: its table of readers and its
  /// number of the newest commit would be both stores'.
  static func isShared(in directory: OpenDirectory) -> Bool {
    guard let file = try? directory.open(name, flags: SystemCalls.path),
      let status = try? FileStatus(of: file.descriptor)
    else { return false }
    return status.links > 1
  }

  /// Makes the file where there is none, and gives it its blocks.
  static func allocate(in directory: OpenDirectory) throws(Errno) {
    do throws(Errno) {
      let file = try directory.open(name, flags: SystemCalls.readWrite)
      try SystemCalls.allocate(file.descriptor, length: size)
    } catch .noSuchFileOrDirectory {
      try make(in: directory)
    } catch .notSupported {
    }
  }

  /// Makes it whole and under another name: as soon as it is there, another process may use it.
  private static func make(in directory: OpenDirectory) throws(Errno) {
    let new = FilePath.Component("lock.new-\(SystemCalls.processID)") ?? name
    defer { try? directory.unlink(new) }
    let file = try directory.open(new, flags: SystemCalls.createEmpty, mode: 0o600)
    // On a copy-on-write filesystem (btrfs) the blocks are to stay where they are; there space that
    // is only allocated, and never written, is no promise.
    try? SystemCalls.disableCopyOnWrite(file.descriptor)
    try SystemCalls.writeAll(file.descriptor, [UInt8](repeating: 0, count: size))
    do throws(Errno) {
      try directory.link(new, to: name)
    } catch .fileExists {
    }
  }
}
