internal import SystemPackage

/// LMDB's file `lock.mdb`, to which it writes through a map in every mode, when it only reads too.
/// So each page of the file needs its block before LMDB opens it: else a full disk is a SIGBUS.
enum LockFile {
  private static let name: FilePath.Component = "lock.mdb"
  /// What LMDB needs for a thousand readers, rounded up.
  private static let size = 64 << 10

  /// Makes the file where there is none, and gives it its blocks.
  static func allocate(in directory: FilePath) throws(Errno) {
    let path = directory.appending(name)
    do throws(Errno) {
      let file = OwnedDescriptor(try SystemCalls.open(path, flags: SystemCalls.readWrite))
      try SystemCalls.allocate(file.descriptor, length: size)
    } catch .noSuchFileOrDirectory {
      try make(path)
    } catch .notSupported {
    }
  }

  /// Makes it whole and under another name: as soon as it is there, another process may use it.
  private static func make(_ path: FilePath) throws(Errno) {
    let new = path.removingLastComponent().appending("lock.new-\(SystemCalls.processID)")
    defer { try? SystemCalls.unlink(new) }
    let file = OwnedDescriptor(
      try SystemCalls.open(new, flags: SystemCalls.createEmpty, mode: 0o600))
    // On a copy-on-write filesystem (btrfs) the blocks are to stay where they are; there space that
    // is only allocated, and never written, is no promise.
    try? SystemCalls.disableCopyOnWrite(file.descriptor)
    try SystemCalls.writeAll(file.descriptor, [UInt8](repeating: 0, count: size))
    do throws(Errno) {
      try SystemCalls.link(new, to: path)
    } catch .fileExists {
    }
  }
}
