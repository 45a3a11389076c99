internal import SystemPackage

/// The right to write to a store: a lock on its file `writer`, in which the holder's process id
/// stands for others to read. The kernel lets the lock go when the holder dies.
///
/// A reader holds the lock too, shared, where it cannot write to LMDB's table of readers: a writer
/// would not know of it, and use the pages again that it reads.
final class WriterLock: Sendable {
  private let file: OwnedDescriptor
  private let forkCount = SystemCalls.forkCount

  /// The child of a fork has the lock's file open too: closing ours would not let it go.
  deinit {
    if SystemCalls.forkCount == forkCount { SystemCalls.unlock(file.descriptor) }
  }

  /// The shared lock of a reader on a read-only medium; `nil` for one that LMDB knows of, and where no
  /// writer has ever been.
  init?(readerOf directory: FilePath) throws(StoreError) {
    let path = directory.appending("writer")
    do throws(Errno) {
      _ = OwnedDescriptor(
        try SystemCalls.open(directory.appending("lock.mdb"), flags: SystemCalls.readWrite))
      return nil
    } catch .readOnlyFileSystem {
    } catch {
      return nil  // LMDB makes the file, or says why not.
    }
    do throws(Errno) {
      file = OwnedDescriptor(try SystemCalls.open(path, flags: SystemCalls.readOnly))
    } catch {
      return nil
    }
    try Self.lock(file, directory, shared: true)
  }

  init(_ directory: FilePath) throws(StoreError) {
    let path = directory.appending("writer")
    do throws(Errno) {
      file = OwnedDescriptor(
        try SystemCalls.open(path, flags: SystemCalls.create, mode: 0o600))
    } catch {
      throw error.isDiskFull ? .diskFull(path: directory) : StoreError(error, "opening \(path)")
    }
    try Self.lock(file, directory, shared: false)
    // In the place of the last one, for which a full disk has room.
    let id = "\(SystemCalls.processID)"
    let padding = String(repeating: " ", count: max(0, Self.width - id.count))
    do throws(Errno) {
      try SystemCalls.writeAll(file.descriptor, Array("\(id)\(padding)\n".utf8))
    } catch {
      throw error.isDiskFull ? .diskFull(path: directory) : StoreError(error, "writing \(path)")
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

  private static func lock(
    _ file: OwnedDescriptor, _ directory: FilePath, shared: Bool
  ) throws(StoreError) {
    do throws(Errno) {
      try SystemCalls.lock(file.descriptor, shared: shared)
    } catch .resourceTemporarilyUnavailable {
      throw .inUse(path: directory, pid: holder(directory))
    } catch {
      throw StoreError(error, "locking \(directory.appending("writer"))")
    }
  }

  /// The process that wrote to the store last, as far as that is known and lives.
  static func holder(_ directory: FilePath) -> Int32? {
    guard let text = try? SmallFile.read(directory.appending("writer")),
      let pid = Int32(text.prefix { $0.isNumber }), SystemCalls.isRunning(pid)
    else { return nil }
    return pid
  }
}
