import CYardstick
import Formatting
import Foundation
import SystemPackage

/// One kind of work in a filesystem: a row of the results.
struct FileSystemWorkload {
  enum Work {
    /// Operations, so many by each client.
    case load(fsload_kind, each: Int)
    /// A command that prints nothing if it succeeds. It gets the directory as `{directory}`.
    case command([String])
  }

  let name: String
  let clients: Int
  let work: Work
  /// Whether to drop the kernel's caches before the run.
  var isCold = false
  /// The least ratio to the fastest other server.
  var goal: Double?

  var isCommand: Bool { if case .command = work { true } else { false } }

  /// Runs the workload in a directory and returns the operations a second, or the runs a second of
  /// a command.
  func run(in directory: String) throws -> Double {
    switch work {
    case .command(let command):
      let start = now()
      try Self.run(command, in: directory)
      return 1e9 / Double(now() - start)
    case .load(let kind, let each):
      let nanoseconds = try FileDescriptor.withDirectory(directory) {
        fsload(kind, $0.rawValue, Int32(clients), Int64(each))
      }
      guard nanoseconds >= 0 else {
        throw BenchError(description: "\(Errno(rawValue: CInt(-nanoseconds)))")
      }
      return Double(each * clients) * 1e9 / Double(max(nanoseconds, 1))
    }
  }

  /// Runs a command without the user's settings of git and make.
  static func run(_ command: [String], in directory: String) throws {
    var environment = ProcessInfo.processInfo.environment
    environment["GIT_CONFIG_GLOBAL"] = "/dev/null"
    environment["GIT_CONFIG_NOSYSTEM"] = "1"
    environment["MAKEFLAGS"] = nil
    let words = command.map { $0.replacingOccurrences(of: "{directory}", with: directory) }
    let printed = try output(
      of: words[0], Array(words.dropFirst()), environment: environment, includingErrors: true)
    guard printed.isEmpty else {
      throw BenchError(
        description: "\(words.joined(separator: " ")) printed: \(printed.prefix { !$0.isNewline })")
    }
  }
}

extension FileDescriptor {
  /// Opens a directory for the time of a call.
  static func withDirectory<R>(_ path: String, _ body: (FileDescriptor) throws -> R) throws -> R {
    let directory = try open(FilePath(path), .readOnly, options: [.directory, .closeOnExec])
    return try directory.closeAfter { try body(directory) }
  }
}
