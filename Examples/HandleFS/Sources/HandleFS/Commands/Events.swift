internal import ArgumentParser
internal import Glibc
internal import HandleStore
internal import SystemPackage

struct Events: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Print changes of files as JSON, one object per line.",
    discussion: """
      Watches each PATH below MOUNTPOINT, or MOUNTPOINT itself if no PATH is given. A directory is \
      watched for changes of its entries, and every file for changes of itself. Changes that are \
      made behind the mount's back are included. The command continues when the server is \
      replaced. If events were lost, because there were too many or no server ran, it prints \
      {"overflow":true} and then each watched file that is gone.
      """)

  @Argument(help: "The mount point.")
  var mountpoint: String

  @Argument(help: "The files and directories to watch.")
  var paths: [String] = []

  func run() throws {
    let watcher = UInt64.random(in: 1 ... .max)
    var nodes = try (paths.isEmpty ? [mountpoint] : paths).map(node)
    var socket = try Conversation.open(
      "events new \(Self.words(watcher, nodes))", .server, of: mountpoint)
    while true {
      var lines = Lines(from: socket)
      while let line = lines.next() {
        guard line.first == UInt8(ascii: "{") else {
          throw CommandError(String(decoding: line, as: UTF8.self), .finding)
        }
        try FileDescriptor.standardOutput.writeOnce(line + [UInt8(ascii: "\n")])
        // The next connection must not ask again for a node whose deletion has been reported.
        if let gone = EventLine.deletedNode(in: line) {
          nodes.removeAll { $0 == gone }
        }
      }
      try? socket.close()
      socket = try again(Self.words(watcher, nodes))
    }
  }

  /// Reconnects after the server has ended or has cut off a reader that was too slow. The next
  /// server is there soon, unless the filesystem was unmounted.
  private func again(_ wanted: String) throws -> FileDescriptor {
    for _ in 0..<100 {
      Processes.sleep(milliseconds: 20)
      if let socket = try? Conversation.open("events again \(wanted)", .server, of: mountpoint) {
        return socket
      }
    }
    throw ExitCode.success
  }

  private static func words(_ watcher: UInt64, _ nodes: [UInt64]) -> String {
    ([watcher] + nodes).map(String.init).joined(separator: " ")
  }

  /// Returns the node number of a file, taken from the file handle that the kernel makes on the
  /// mount.
  private func node(_ path: String) throws -> UInt64 {
    let here = FileDescriptor(rawValue: AT_FDCWD)
    let handle: KernelFileHandle
    do throws(StoreError) {
      handle = try KernelFileHandle(resolving: FilePath(path), in: here)
    } catch {
      throw CommandError("\(path): \(error.errno); name a file below the mount point")
    }
    guard let node = handle.fileKey(on: .fuse)?.number else {
      throw CommandError(
        "\(path) is not on a handlefs mount; name a file below the mount point", .finding)
    }
    let mount = try MountTable.handleFS(on: Processes.resolved(FilePath(mountpoint)).string)
    let file = try BackingFile.path(FilePath(path))
    guard let mount, try file.device == mount.device else {
      throw CommandError(
        "\(path) is not on the mount at \(mountpoint); name a file below it", .finding)
    }
    return node
  }
}

/// Splits a stream into lines. An incomplete line at the end is dropped.
private struct Lines {
  private let stream: FileDescriptor
  private var rest: [UInt8] = []

  init(from stream: FileDescriptor) { self.stream = stream }

  /// Returns the next line without its newline, or `nil` at the end.
  mutating func next() -> [UInt8]? {
    var searched = 0
    while true {
      if let end = rest[searched...].firstIndex(of: UInt8(ascii: "\n")) {
        defer { rest.removeFirst(end + 1) }
        return Array(rest[..<end])
      }
      searched = rest.count
      guard let bytes = try? stream.readOnce(4096), !bytes.isEmpty else { return nil }
      rest += bytes
    }
  }
}
