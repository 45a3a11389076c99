internal import CHandleFS
internal import Glibc
internal import HandleStore
internal import SystemPackage

extension Server {
  func open(_ number: UInt64, flags: CInt, for request: Request) throws -> Reply {
    let (file, status) = try pathAndStatus(number)
    if flags & O_ACCMODE != O_RDONLY {
      // The file may be immutable or append-only (chattr(1)); this open makes the kernel check
      // that.
      let kept = flags & (O_ACCMODE | O_APPEND) | O_NONBLOCK | O_NOCTTY
      _ = try withDescriptors { try file.reopened(flags: kept) }
    }
    let opened = try opened(
      file, of: node(number), status: status, flags: flags, for: request)
    // What the kernel believes of the file is from before.
    if written.contains(node(number)) { invalidation.invalidate(node(number)) }
    return .opened(opened)
  }

  /// Counts an open of a file, and hands the file to the kernel if the kernel is to read and write
  /// it by itself.
  ///
  /// The kernel then acts for all openers as the file's owner and without CAP_FSETID, so the first
  /// write clears a set-user-id bit. It would do so for root as well; so the server itself writes a
  /// file that already has a set-user-id or set-group-id bit.
  func opened(
    _ file: BackingFile, of node: NodeID, status: stat, flags: CInt, for request: Request
  ) throws -> Opened {
    let isKept = options.passthrough && !hasSetID(status.st_mode)
    if options.passthrough && !isKept && flags & O_ACCMODE != O_RDONLY { awaitCloses(of: node) }
    let backing =
      isKept
      ? try clearingPrivileges(true) {
        try Credentials.acting(for: status.st_uid, status.st_gid) {
          try openFiles.open(request.number, of: node, file: file.descriptor)
        }
      } : try openFiles.open(request.number, of: node, file: nil)
    // The file may have lost its last name by now. A request that removes the name later sees that
    // the file is open.
    do {
      if backing == 0, try file.status.st_nlink == 0 {
        try orphans.hold(file, node, parks: true)
      }
    } catch {
      // The kernel does not send a close for an open that failed.
      openFiles.close(request.number)
      throw error
    }
    if backing != 0 && flags & O_ACCMODE != O_RDONLY { written.insert(node) }
    return Opened(number: request.number, backing: backing)
  }

  /// Waits a moment for requests to close a file. Nobody waits for them, and so the next open may be served
  /// before them. As long as they are not, the open would be one of those that the kernel serves by itself.
  private func awaitCloses(of node: NodeID) {
    for _ in 0..<Self.patienceWithCloses where openFiles.isOpen(node) {
      Processes.sleep(milliseconds: 1)
    }
  }

  /// In milliseconds.
  private static let patienceWithCloses = 10

  func release(_ number: UInt64, open: UInt64) -> Reply {
    openFiles.close(open)
    let node = node(number)
    // Close the files: a file that is open for writing cannot be executed.
    if !openFiles.isOpen(node) { files.remove(node, [.reading, .writing]) }
    // A lookup that is under way may have read the attributes before the last store to memory.
    if written.removeIfClosed(node), let handle = try? store.node(node)?.handle {
      times.noteChange(handle)
    }
    return .done
  }

  /// - Parameter flags: those of the open, by which the read keeps the access time (`O_NOATIME`) or
  ///   not.
  func read(
    _ number: UInt64, size: Int, at offset: Int, flags: CInt, for request: Request
  ) throws {
    let file =
      try flags & HF_O_NOATIME == 0 ? data(number, .reading) : withoutAccessTime(number)
    try buffers.with { buffer in
      request.send(.buffer(buffer, try buffer.read(file, count: size, at: offset)), on: fuse)
    }
  }

  /// Opens a file for a read that keeps its access time. The kernel has checked that the caller may
  /// do this.
  private func withoutAccessTime(_ number: UInt64) throws -> BackingFile {
    let path = try path(number)
    return try withDescriptors {
      try path.reopened(flags: O_RDONLY | O_NONBLOCK | O_NOCTTY | HF_O_NOATIME)
    }
  }

  func write(
    _ number: UInt64, _ bytes: RequestBytes, at offset: Int, clearsPrivileges: Bool,
    for request: Request
  ) throws -> Reply {
    do {
      let file = try data(number, .writing)
      return try request.asCaller {
        try clearingPrivileges(clearsPrivileges) { .written(try file.write(bytes, at: offset)) }
      }
    } catch {
      guard Errno(any: error) == .notPermitted else { throw error }
      return try clearingPrivileges(clearsPrivileges) {
        .written(try append(bytes, to: path(number), expectedAt: offset, request))
      }
    }
  }

  /// Writes to an append-only file (chattr(1)).
  ///
  /// The descriptor is not kept: with `O_APPEND`, later writes through it would go to the end as
  /// well.
  private func append(
    _ bytes: RequestBytes, to file: BackingFile, expectedAt offset: Int, _ request: Request
  ) throws -> Int {
    let file = try withDescriptors {
      try file.reopened(flags: O_RDWR | O_APPEND | O_NONBLOCK | O_NOCTTY)
    }
    // A server that was killed may have written a part.
    let done =
      request.isResent
      ? try buffers.with { try $0.countOf(bytes, thatHas: file, at: offset) } : 0
    if done == bytes.count { return done }
    return done + (try request.asCaller { try file.write(bytes.dropFirst(done), at: offset) })
  }

  func sync(_ number: UInt64, dataOnly: Bool) throws -> Reply {
    try data(number, .reading).sync(dataOnly: dataOnly)
    return .done
  }

  func allocate(
    _ number: UInt64, mode: CInt, from offset: Int, length: Int, for request: Request
  ) throws -> Reply {
    let file = try data(number, .writing)
    let clears = clears(file, request)
    return try request.asCaller {
      try clearingPrivileges(clears) {
        try file.allocate(mode: mode, from: offset, length: length)
        return .done
      }
    }
  }

  func seek(_ number: UInt64, to offset: Int, whence: CInt) throws -> Reply {
    .offset(try data(number, .reading).seek(to: offset, whence: whence))
  }

  func copy(
    _ from: UInt64, at offset: Int, to: UInt64, at target: Int, count: Int, for request: Request
  ) throws -> Reply {
    let (source, file) = (try data(from, .reading), try data(to, .writing))
    let clears = clears(file, request)
    // The source was read, and the kernel does not ask for its new access time by itself.
    defer { invalidation.invalidate(node(from)) }
    return try request.asCaller {
      try clearingPrivileges(clears) {
        .written(
          try source.copy(from: offset, to: file, at: target, count: min(count, Int(CInt.max))))
      }
    }
  }

  /// Whether a change of a file's contents clears its set-user-id and set-group-id bits. For writes
  /// and truncations the request itself says so.
  private func clears(_ file: BackingFile, _ request: Request) -> Bool {
    guard let mode = try? file.status.st_mode, mode & (S_ISUID | S_ISGID) != 0 else { return false }
    return !request.maySetID
  }

  func filesystemStatus(_ number: UInt64) throws -> Reply {
    // The space of files that were removed counts as free, unless another thread closes them at this moment.
    closing.closeAll()
    return .filesystem(try path(number).filesystemStatus)
  }
}
