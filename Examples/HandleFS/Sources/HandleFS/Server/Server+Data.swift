internal import Glibc
internal import HandleStore
internal import SystemPackage

extension Server {
  func open(_ number: UInt64, flags: CInt, _ request: Request) throws -> Reply {
    let file = try path(number)
    if flags & O_ACCMODE != O_RDONLY {
      // It may not be written at all, or at its end only (chattr(1)), which the kernel sees here.
      let kept = flags & (O_ACCMODE | O_APPEND) | O_NONBLOCK | O_NOCTTY
      _ = try withDescriptors { try file.reopened(flags: kept) }
    }
    return .opened(try opened(file, node(number), try file.status, request))
  }

  /// Counts an open of a file, which the kernel keeps where it is to read and write it by itself.
  ///
  /// It does so for all who have it open, as its owner, and without CAP_FSETID: the set-user-id bit goes
  /// with the first write. As it goes so for root too, a file that has it already is written by the server.
  func opened(
    _ file: BackingFile, _ node: NodeID, _ status: stat, _ request: Request
  ) throws -> Opened {
    let isKept = options.passthrough && status.st_mode & (S_ISUID | S_ISGID) == 0
    let backing =
      isKept
      ? try Credentials.acting(for: status.st_uid, status.st_gid) {
        try clearingPrivileges(true) {
          try openFiles.open(request.number, of: node, file: file.descriptor)
        }
      } : try openFiles.open(request.number, of: node, file: nil)
    // It may have lost its last name by now; who removes that from here on sees that it is open.
    do {
      if backing == 0, try file.status.st_nlink == 0 {
        try orphans.keep(file, node, parks: true)
      }
    } catch {
      // Nobody closes what was not opened.
      openFiles.close(request.number)
      throw error
    }
    return Opened(number: request.number, backing: backing)
  }

  func release(_ number: UInt64, open: UInt64) -> Reply {
    openFiles.close(open)
    let node = node(number)
    // A file that is open for writing cannot be executed.
    if !openFiles.isOpen(node) { files.remove(node, [.reading, .writing]) }
    return .done
  }

  func read(_ number: UInt64, _ size: Int, at offset: Int, _ request: Request) throws {
    let file = try data(number, .reading)
    try buffers.with { buffer in
      request.send(.buffer(buffer, try buffer.read(file, count: size, at: offset)), on: fuse)
    }
  }

  func write(
    _ number: UInt64, _ bytes: RequestBytes, at offset: Int, clearsPrivileges: Bool,
    _ request: Request
  ) throws -> Reply {
    do {
      let file = try data(number, .writing)
      return try request.asCaller {
        try clearingPrivileges(clearsPrivileges) { .written(try file.write(bytes, at: offset)) }
      }
    } catch {
      guard Errno(any: error) == .notPermitted else { throw error }
      return .written(try append(bytes, to: path(number), expectedAt: offset, request))
    }
  }

  /// Writes to a file that can be written at its end only (chattr(1)).
  ///
  /// It is not kept open, as a file that is opened like this goes on writing at its end.
  private func append(
    _ bytes: RequestBytes, to file: BackingFile, expectedAt offset: Int, _ request: Request
  ) throws -> Int {
    let file = try withDescriptors {
      try file.reopened(flags: O_RDWR | O_APPEND | O_NONBLOCK | O_NOCTTY)
    }
    // A server that is killed may have written a part.
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
    _ number: UInt64, mode: CInt, from offset: Int, length: Int, _ request: Request
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
    _ from: UInt64, at offset: Int, to: UInt64, at target: Int, count: Int, _ request: Request
  ) throws -> Reply {
    let (source, file) = (try data(from, .reading), try data(to, .writing))
    let clears = clears(file, request)
    return try request.asCaller {
      try clearingPrivileges(clears) {
        .written(
          try source.copy(from: offset, to: file, at: target, count: min(count, Int(CInt.max))))
      }
    }
  }

  /// Whether a change of what is in a file takes its set-user-id and set-group-id bits away. Of a write and a
  /// truncation the kernel tells.
  private func clears(_ file: BackingFile, _ request: Request) -> Bool {
    guard let mode = try? file.status.st_mode, mode & (S_ISUID | S_ISGID) != 0 else { return false }
    return !request.maySetID
  }

  func filesystemStatus(_ number: UInt64) throws -> Reply {
    .filesystem(try path(number).filesystemStatus)
  }
}
