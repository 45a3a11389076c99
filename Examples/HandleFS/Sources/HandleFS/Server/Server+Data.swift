internal import Glibc
internal import HandleStore
internal import SystemPackage

extension Server {
  func open(_ number: UInt64, _ request: Request) throws -> Reply {
    let file = try path(number)
    let backing = try openFiles.open(
      request.number, of: node(number), file: keptFile(file, try file.status))
    return .opened(Opened(number: request.number, backing: backing))
  }

  /// The file for the kernel to keep, where it reads and writes it by itself. It would not clear the
  /// set-user-id bit of a file as its caller has to.
  func keptFile(_ file: BackingFile, _ status: stat) -> FileDescriptor? {
    options.passthrough && status.st_mode & (S_ISUID | S_ISGID) == 0 ? file.descriptor : nil
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
    _ number: UInt64, _ bytes: RequestBytes, at offset: Int, clearsPrivileges: Bool
  ) throws -> Reply {
    let file = try data(number, .writing)
    return try clearingPrivileges(clearsPrivileges) {
      .written(try file.write(bytes, at: offset))
    }
  }

  func sync(_ number: UInt64, dataOnly: Bool) throws -> Reply {
    try data(number, .reading).sync(dataOnly: dataOnly)
    return .done
  }

  func allocate(
    _ number: UInt64, mode: CInt, from offset: Int, length: Int
  ) throws -> Reply {
    try data(number, .writing).allocate(mode: mode, from: offset, length: length)
    return .done
  }

  func seek(_ number: UInt64, to offset: Int, whence: CInt) throws -> Reply {
    .offset(try data(number, .reading).seek(to: offset, whence: whence))
  }

  func copy(
    _ from: UInt64, at offset: Int, to: UInt64, at target: Int, count: Int
  ) throws -> Reply {
    let source = try data(from, .reading)
    let copied = try source.copy(
      from: offset, to: data(to, .writing), at: target, count: min(count, Int(CInt.max)))
    return .written(copied)
  }

  func filesystemStatus(_ number: UInt64) throws -> Reply {
    .filesystem(try path(number).filesystemStatus)
  }
}
