internal import SystemPackage

/// Sends one line to a mounted filesystem and reads the answer.
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
      // The filesystem is mounted, but no process listens.
      if error == .connectionRefused { throw CommandError.serverIsGone(path) }
      guard error != .noSuchFileOrDirectory else { throw CommandError.notMounted(path) }
      throw CommandError(
        "the \(kind.rawValue) of \(path) does not answer: \(error); run as root, and see its log")
    }
  }

  /// Returns the sockets of the filesystem that is mounted on a path, or on the target of the path
  /// if it is a symbolic link.
  ///
  /// Resolves the path only if nothing of handlefs is mounted on it: resolving a mount point would
  /// wait for its server.
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

  /// Throws if the processes of the filesystem on a mount point are gone: a new mount on top would
  /// keep the dead one there for ever.
  static func requireNoDeadServer(on mountpoint: String) throws {
    do throws(Errno) {
      let socket = try Sockets(of: mountpoint).connect(.supervisor)
      try? socket.close()
    } catch {
      if error == .connectionRefused { throw CommandError.serverIsGone(mountpoint) }
    }
  }

  /// How long to wait for an answer, in milliseconds. A server that is told to end first answers
  /// the requests that it has under way.
  private static let patience = 30_000

  /// Sends a line and returns the whole answer, without the newlines at its end.
  static func ask(_ line: String, _ kind: Sockets.Kind, of mountpoint: String) throws -> String {
    let socket = try open(line, kind, of: mountpoint)
    defer { try? socket.close() }
    var answer: [UInt8] = []
    while true {
      guard Processes.wait(for: [socket], milliseconds: patience)[0] else {
        throw CommandError(
          "the \(kind.rawValue) of \(mountpoint) did not answer within \(patience / 1000) s; see its log"
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

  /// Reads the first line that the other side sends; returns an empty string if that takes more
  /// than a second.
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
