internal import SystemPackage

/// The right to write to a store: a lock on its directory. The file `writer` shows the writer's
/// process id to others; nothing depends on it. The kernel releases the lock when the holder dies.
///
/// A reader also takes the lock, shared, if it cannot write to LMDB's table of readers. A writer
/// would not know of that reader, and would reuse the pages that it reads.
final class WriterLock: Sendable {
  private static let name: FilePath.Component = "writer"
  private let directory: OpenDirectory
  private let forkCount = SystemCalls.forkCount

  /// Unlocks explicitly: a forked child has the directory open too, so closing ours would not
  /// release the lock.
  deinit {
    if SystemCalls.forkCount == forkCount { SystemCalls.unlock(directory.descriptor) }
  }

  /// Takes the shared lock of a reader on a read-only medium; `nil` for a reader that LMDB knows
  /// of.
  init?(readerOf directory: OpenDirectory) throws(StoreError) {
    do throws(Errno) {
      _ = try directory.open("lock.mdb", flags: SystemCalls.readWrite)
      return nil
    } catch .readOnlyFileSystem {
    } catch {
      return nil  // LMDB makes the file, or says why not.
    }
    self.directory = directory
    try Self.lock(directory, shared: true)
  }

  init(_ directory: OpenDirectory) throws(StoreError) {
    self.directory = directory
    try Self.lock(directory, shared: false)
    // Overwrites the last id in place, for which a full disk has room.
    let id = "\(SystemCalls.processID)"
    let padding = String(repeating: " ", count: max(0, Self.width - id.count))
    do throws(Errno) {
      let file = try directory.open(Self.name, flags: SystemCalls.create, mode: 0o600)
      try SystemCalls.writeAll(file.descriptor, Array("\(id)\(padding)\n".utf8))
    } catch {
      throw error.isDiskFull
        ? .diskFull(path: directory.path)
        : StoreError(error, "writing \(directory.path(of: Self.name))")
    }
  }

  /// The width of a process id in the file.
  private static let width = 10

  /// Whether fallocate(2) is a promise on the store's filesystem: no write into allocated space
  /// needs a new block. On other filesystems (copy-on-write), a full disk would raise SIGBUS.
  ///
  /// This tries it with the space that the file already has, because the disk may be full.
  var canAllocateAhead: Bool {
    get throws(Errno) {
      let file = try directory.open(Self.name, flags: SystemCalls.readWrite)
      let magic = try FilesystemStatus(of: file.descriptor).magic
      guard [.ext, .xfs, .tmpfs].contains(magic) else { return false }
      do throws(Errno) {
        try SystemCalls.allocate(file.descriptor, length: Self.width)
        return true
      } catch {
        if error == .notSupported { return false }  // ext4 without extents
        throw error
      }
    }
  }

  private static func lock(_ directory: OpenDirectory, shared: Bool) throws(StoreError) {
    do throws(Errno) {
      try SystemCalls.lock(directory.descriptor, shared: shared)
    } catch .resourceTemporarilyUnavailable {
      throw .inUse(path: directory.path, pid: holder(directory))
    } catch {
      throw StoreError(error, "locking \(directory.path)")
    }
  }

  /// Returns the process that last wrote to the store, if known and still running.
  static func holder(_ directory: OpenDirectory) -> Int32? {
    guard let text = try? SmallFile.read(name, in: directory).text,
      let pid = Int32(text.prefix { $0.isNumber }), SystemCalls.isRunning(pid)
    else { return nil }
    return pid
  }
}
