import Foundation

/// A filesystem to compare.
enum Contender {
  case bare
  /// The program, and more options for it.
  case handleFS(String, [String])
  /// Another server: its name, and its command with `{source}` and `{mountpoint}`.
  case other(String, [String])

  var name: String {
    switch self {
    case .bare: "bare"
    case .handleFS: "handlefs"
    case .other(let name, _): name
    }
  }

  /// The command that mounts it; of HandleFS, the program and its options.
  var words: [String] {
    switch self {
    case .bare: []
    case .handleFS(let program, let options): [program] + options
    case .other(_, let command): command
    }
  }

  /// Whether it is another server, whose failures are reported and end nothing.
  var isOther: Bool { if case .other = self { true } else { false } }

  /// Returns the path of a program, or `nil` if it is not in PATH. A name with a slash is returned
  /// as it is.
  static func find(_ program: String) -> String? {
    if program.contains("/") { return program }
    let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
    return path.split(separator: ":").map { "\($0)/\(program)" }
      .first { FileManager.default.isExecutableFile(atPath: $0) }
  }
}

/// Runs a program and returns what it prints.
///
/// - Parameter includingErrors: whether what it prints on standard error is returned, and not shown.
@discardableResult
func output(
  of program: String, _ arguments: [String], environment: [String: String]? = nil,
  includingErrors: Bool = false
) throws -> String {
  let (process, pipe) = (Process(), Pipe())
  guard let path = Contender.find(program) else {
    throw BenchError(description: "there is no program \(program) in PATH; give its full path")
  }
  process.executableURL = URL(fileURLWithPath: path)
  process.arguments = arguments
  if let environment { process.environment = environment }
  process.standardOutput = pipe
  if includingErrors { process.standardError = pipe }
  try process.run()
  let data = pipe.fileHandleForReading.readDataToEndOfFile()
  process.waitUntilExit()
  let text = String(decoding: data, as: UTF8.self)
  guard process.terminationStatus == 0 else {
    let reason = includingErrors ? ": \(text.prefix { !$0.isNewline })" : "; see above"
    throw BenchError(
      description: "\(program) \(arguments.joined(separator: " ")) failed\(reason)")
  }
  return text
}

/// A contender that is mounted.
struct MountedContender {
  let contender: Contender
  /// The directory to work in.
  let path: String
  /// The directory that it is mounted on.
  let mountpoint: String
  /// What this program started for it: a process that waits for the server, its only child.
  var process: Process?

  /// Returns the server's process id, or `nil` if there is none, as for the bare filesystem.
  func server() -> Int32? {
    switch contender {
    case .bare: nil
    case .handleFS(let program, _):
      (try? output(of: program, ["status", mountpoint, "--format", "json"])).flatMap { status in
        status.firstMatch(of: /"pid": *(\d+)/).flatMap { Int32($0.1) }
      }
    case .other: process.flatMap { Self.child(of: $0.processIdentifier) }
    }
  }

  /// Returns a process's only child; `nil` if it has none.
  static func child(of process: Int32) -> Int32? {
    let path = "/proc/\(process)/task/\(process)/children"
    let children = try? String(contentsOfFile: path, encoding: .utf8)
    return children.flatMap { Int32($0.prefix { $0 != " " }) }
  }

  /// Returns how many descriptors the server has open, and how much memory it uses, in KiB.
  func usage() -> (descriptors: Int, kibibytes: Int) { Self.usage(of: server()) }

  /// The same of a server's process; nothing if there is none.
  static func usage(of server: Int32?) -> (descriptors: Int, kibibytes: Int) {
    guard let server else { return (0, 0) }
    let open = try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(server)/fd")
    let status = try? String(contentsOfFile: "/proc/\(server)/status", encoding: .utf8)
    let size = status?.firstMatch(of: /VmRSS:\s*(\d+)/).flatMap { Int($0.1) }
    return (open?.count ?? 0, size ?? 0)
  }
}
