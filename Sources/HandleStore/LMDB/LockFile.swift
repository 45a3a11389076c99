internal import SystemPackage

/// LMDB's file `lock.mdb`. LMDB writes to it through a map in every mode, even when it only reads.
/// So each page of the file needs its block before LMDB opens it; otherwise a full disk is a
/// SIGBUS.
enum LockFile {
  private static let name: FilePath.Component = "lock.mdb"
  /// The size in bytes that LMDB needs for a thousand readers, rounded up.
  private static let size = 64 << 10

  /// Returns whether the file has another name, perhaps in another store's directory. Both stores
  /// would then share its reader table and its number of the newest commit.
  static func isShared(in directory: OpenDirectory) -> Bool {
    guard let file = try? directory.open(name, flags: SystemCalls.path),
      let status = try? FullStatus(of: file.descriptor).file
    else { return false }
    return status.links > 1
  }

  /// Makes the file if it is missing, and gives it its blocks.
  static func allocate(in directory: OpenDirectory) throws(Errno) {
    do throws(Errno) {
      let file = try directory.open(name, flags: SystemCalls.readWrite)
      try SystemCalls.allocate(file.descriptor, length: size)
    } catch .noSuchFileOrDirectory {
      try make(in: directory)
    } catch .notSupported {
    }
  }

  /// Makes the file completely under another name, then links it to its own: as soon as it has that
  /// name, another process may use it.
  private static func make(in directory: OpenDirectory) throws(Errno) {
    let new = FilePath.Component("lock.new-\(SystemCalls.processID)") ?? name
    defer { try? directory.unlink(new) }
    let file = try directory.open(new, flags: SystemCalls.createEmpty, mode: 0o600)
    // On a copy-on-write filesystem (btrfs) the blocks must stay where they are. There, allocating
    // space without writing it guarantees nothing.
    try? SystemCalls.disableCopyOnWrite(file.descriptor)
    try SystemCalls.writeAll(file.descriptor, [UInt8](repeating: 0, count: size))
    do throws(Errno) {
      try directory.link(new, to: name)
    } catch .fileExists {
    }
  }
}
