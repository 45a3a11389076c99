import Foundation

/// What a finished command left.
public struct CommandResult: Sendable {
  /// The exit status; negative if a signal ended it.
  public let status: Int32
  /// Standard output.
  public let output: String
  /// Standard error.
  public let errors: String

  /// What a command left.
  public init(status: Int32, output: String, errors: String) {
    self.status = status
    self.output = output
    self.errors = errors
  }
}

/// Runs a command to its end.
///
/// - Parameter arguments: the program (found in PATH if it has no slash) and its arguments.
public func run(_ arguments: String...) throws -> CommandResult { try run(arguments) }

/// Runs a command to its end with more environment variables.
public func run(_ arguments: [String], environment: [String: String] = [:]) throws -> CommandResult
{
  let process = Process()
  process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
  process.arguments = arguments
  process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
  let files = try TemporaryDirectory()
  let output = URL(fileURLWithPath: files.appending("output").string)
  let errors = URL(fileURLWithPath: files.appending("errors").string)
  for file in [output, errors] { try Data().write(to: file) }
  process.standardOutput = try FileHandle(forWritingTo: output)
  process.standardError = try FileHandle(forWritingTo: errors)
  process.standardInput = FileHandle.nullDevice
  try process.run()
  process.waitUntilExit()
  return CommandResult(
    status: process.terminationReason == .uncaughtSignal
      ? -process.terminationStatus : process.terminationStatus,
    output: String(decoding: try Data(contentsOf: output), as: UTF8.self),
    errors: String(decoding: try Data(contentsOf: errors), as: UTF8.self))
}

/// The path of an executable product that was built with the tests.
public func product(_ name: String) -> String {
  // The test bundle stands beside the products: <build>/debug/<package>PackageTests.xctest.
  let bundle = CommandLine.arguments.first { $0.hasSuffix(".xctest") } ?? CommandLine.arguments[0]
  return URL(fileURLWithPath: bundle).deletingLastPathComponent().appendingPathComponent(name).path
}

/// The paths of the commands: in the directory that the environment variable HANDLESTORE_COMMANDS names,
/// or beside the tests.
public enum Commands {
  /// `handlestore`.
  public static let handlestore = path("handlestore")
  /// `handlebench`.
  public static let handlebench = path("handlebench")

  private static func path(_ name: String) -> String {
    guard let directory = ProcessInfo.processInfo.environment["HANDLESTORE_COMMANDS"] else {
      return product(name)
    }
    return "\(directory)/\(name)"
  }
}
