internal import SystemPackage

/// One line to a mounted file system, and its answer.
enum Conversation {
  static func open(
    _ line: String, _ kind: Sockets.Kind, of mountpoint: String
  ) throws -> FileDescriptor {
    let path = try Processes.absolute(mountpoint)
    do throws(Errno) {
      let socket = try sockets(of: path).connect(kind)
      try socket.writeOnce(Array("\(line)\n".utf8))
      return socket
    } catch {
      // The table has it, and nobody listens.
      if error == .connectionRefused { throw CommandError.serverIsGone(path) }
      throw CommandError(
        error == .noSuchFileOrDirectory
          ? "no handlefs is mounted on \(path); see /proc/mounts"
          : "the \(kind.rawValue) of \(path) does not answer: \(error); run as root, and see its log"
      )
    }
  }

  /// Those of what is mounted on a path, or on what it leads to where it is a symbolic link. Only what
  /// is no mount point is looked at: asking one would wait for its server.
  private static func sockets(of path: String) throws(Errno) -> Sockets {
    do throws(Errno) {
      return try Sockets(of: path)
    } catch {
      guard let real = try? Processes.resolved(FilePath(path)).string, real != path else {
        throw error
      }
      return try Sockets(of: real)
    }
  }

  /// A file system whose processes are gone is not covered by another one: it would stay there for ever.
  static func requireNoneGone(from mountpoint: String) throws {
    do throws(Errno) {
      let socket = try Sockets(of: mountpoint).connect(.supervisor)
      try? socket.close()
    } catch {
      if error == .connectionRefused { throw CommandError.serverIsGone(mountpoint) }
    }
  }

  /// Milliseconds. A server that is to end answers first what it has under way.
  private static let patience = 30_000

  static func ask(_ line: String, _ kind: Sockets.Kind, of mountpoint: String) throws -> String {
    let socket = try open(line, kind, of: mountpoint)
    defer { try? socket.close() }
    var answer: [UInt8] = []
    while true {
      guard Processes.wait(for: [socket], milliseconds: patience)[0] else {
        throw CommandError(
          "the \(kind.rawValue) of \(mountpoint) has not answered in \(patience / 1000) s; see its log"
        )
      }
      let bytes = try socket.readOnce(4096)
      if bytes.isEmpty { break }
      answer += bytes
    }
    var text = String(decoding: answer, as: UTF8.self)
    while text.last == "\n" { text.removeLast() }
    return text
  }

  /// The line that the other side sends first; empty where it takes more than a second.
  static func line(from socket: FileDescriptor) -> String {
    var line: [UInt8] = []
    let end = Processes.now + 1000
    while line.count < 1 << 20, line.last != UInt8(ascii: "\n") {
      guard Processes.wait(for: [socket], milliseconds: max(0, end - Processes.now))[0],
        let bytes = try? socket.readOnce(4096), !bytes.isEmpty
      else { return "" }
      line += bytes
    }
    return String(decoding: line.dropLast(), as: UTF8.self)
  }
}
