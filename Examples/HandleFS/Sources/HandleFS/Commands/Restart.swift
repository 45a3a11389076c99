internal import ArgumentParser
internal import SystemPackage

struct Restart: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Replace the server by this program's, without a request failing.",
    discussion: """
      The server answers what it has under way and ends; one of the program that this command is of goes
      on. Where that one does not start, the former program's does.
      """)

  @Argument(help: "Where the file system is mounted.")
  var mountpoint: String

  func run() throws {
    let answer = try Conversation.ask(
      "restart \(Processes.program)", .supervisor, of: mountpoint)
    guard answer.hasPrefix("serving") else { throw CommandError(answer) }
    print(answer)
  }
}

struct Status: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Print what the server and its store have done, as JSON.")

  @Argument(help: "Where the file system is mounted.")
  var mountpoint: String

  func run() throws { print(try Conversation.ask("status", .server, of: mountpoint)) }
}

/// An error with what it says.
struct CommandError: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// One line to a mounted file system, and its answer.
enum Conversation {
  static func open(
    _ line: String, _ kind: Sockets.Kind, of mountpoint: String
  ) throws -> FileDescriptor {
    let path = try Processes.absolute(mountpoint)
    do throws(Errno) {
      let socket = try Sockets(of: path).connect(kind)
      try socket.writeOnce(Array("\(line)\n".utf8))
      return socket
    } catch {
      throw CommandError(
        error == .noSuchFileOrDirectory
          ? "no handlefs is mounted on \(path); see /proc/mounts"
          : "the \(kind.rawValue) of \(path) does not answer: \(error); run as root, and see its log"
      )
    }
  }

  static func ask(_ line: String, _ kind: Sockets.Kind, of mountpoint: String) throws -> String {
    let socket = try open(line, kind, of: mountpoint)
    defer { try? socket.close() }
    var answer: [UInt8] = []
    while case let bytes = try socket.readOnce(4096), !bytes.isEmpty { answer += bytes }
    var text = String(decoding: answer, as: UTF8.self)
    while text.last == "\n" { text.removeLast() }
    return text
  }

  /// The line that the other side sends first; empty where it takes more than a second.
  static func line(from socket: FileDescriptor) -> String {
    var line: [UInt8] = []
    while line.count < 1 << 20, line.last != UInt8(ascii: "\n") {
      guard Processes.wait(for: [socket], milliseconds: 1000)[0],
        let bytes = try? socket.readOnce(4096), !bytes.isEmpty
      else { return "" }
      line += bytes
    }
    return String(decoding: line.dropLast(), as: UTF8.self)
  }
}
