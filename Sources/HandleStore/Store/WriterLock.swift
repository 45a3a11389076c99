internal import SystemPackage

/// The right to write to a store: a lock on its directory. The file `writer` holds the writer's process
/// id for others to read; nothing depends on it. The kernel releases the lock when the holder dies.
///
/// A reader holds the lock too, shared, if it cannot write to LMDB's table of readers: a writer would
/// not know of it, and would reuse the pages that it reads.
final class WriterLock: Sendable {
  private static let name: FilePath.Component = "writer"
  private let directory: OpenDirectory
  private let forkCount = SystemCalls.forkCount

  /// A child of a fork has the directory open too: closing ours would not release the lock.
  deinit {
    if SystemCalls.forkCount == forkCount { SystemCalls.unlock(directory.descriptor) }
  }

  /// The shared lock of a reader on a read-only medium; `nil` for one that LMDB knows of.
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
    // In the place of the last one, for which a full disk has room.
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

  /// Of a process id.
  private static let width = 10

  /// Whether fallocate(2) is a promise on the store's filesystem: no write into allocated space needs a
  /// new block. Elsewhere (copy-on-write filesystems) a full disk would be a SIGBUS.
  ///
  /// It is tried with what the file has already, because the disk may be full.
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

  /// The process that wrote to the store last, if that is known and lives.
  static func holder(_ directory: OpenDirectory) -> Int32? {
    guard let text = try? SmallFile.read(name, in: directory).text,
      let pid = Int32(text.prefix { $0.isNumber }), SystemCalls.isRunning(pid)
    else { return nil }
    return pid
  }
}
