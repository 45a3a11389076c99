internal import ArgumentParser
internal import Glibc
internal import HandleStore
internal import SystemPackage

struct Events: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Print what happens to files, whoever does it, a line of JSON each.",
    discussion: """
      Watches each PATH below MOUNTPOINT, or MOUNTPOINT itself: a directory for what happens to its
      entries, any file for what happens to itself; also what is done behind the mount's back. It goes on
      when the server is replaced. Where events were lost, because there were too many or no server, it
      prints {"overflow": true}, and each file that is gone since.
      """)

  @Argument(help: "Where the file system is mounted.")
  var mountpoint: String

  @Argument(help: "What to watch.")
  var paths: [String] = []

  func run() throws {
    let nodes = try (paths.isEmpty ? [mountpoint] : paths).map(Self.node)
    let watcher = UInt64.random(in: 1 ... .max)
    let wanted = ([watcher] + nodes).map(String.init).joined(separator: " ")
    var socket = try Conversation.open("events new \(wanted)", .server, of: mountpoint)
    while true {
      var isFirst = true
      while let bytes = try? socket.readOnce(4096), !bytes.isEmpty {
        guard !isFirst || bytes.first == UInt8(ascii: "{") else {
          throw CommandError(String(decoding: bytes, as: UTF8.self))
        }
        isFirst = false
        try FileDescriptor.standardOutput.writeOnce(bytes)
      }
      try? socket.close()
      socket = try again(wanted)
    }
  }

  /// The server has ended: the next one is there soon, unless the file system was unmounted.
  private func again(_ wanted: String) throws -> FileDescriptor {
    for _ in 0..<100 {
      usleep(20_000)
      if let socket = try? Conversation.open("events again \(wanted)", .server, of: mountpoint) {
        return socket
      }
    }
    throw ExitCode.success
  }

  /// The number of a file's node, as the kernel puts it into a file handle of the mount.
  private static func node(_ path: String) throws -> UInt64 {
    let here = FileDescriptor(rawValue: AT_FDCWD)
    let handle: KernelFileHandle
    do throws(Errno) {
      handle = try KernelFileHandle(name: FilePath(path), in: here)
    } catch {
      throw CommandError("\(path): \(error); name a file below the mount point")
    }
    guard handle.type.rawValue == 0x81 || handle.type.rawValue == 0x82, handle.length >= 12 else {
      throw CommandError("\(path) is not on a file system of handlefs")
    }
    let words = (0..<2).map { word in
      (0..<4).reduce(UInt64(0)) { $0 | UInt64(handle[word * 4 + $1]) << UInt64($1 * 8) }
    }
    return words[0] << 32 | words[1]
  }
}
