import Foundation
import SystemPackage

/// A command did not do what a test needs.
public struct CommandFailure: Error, CustomStringConvertible {
  /// The command, and what it said.
  public let description: String

  /// Says what it was.
  public init(description: String) { self.description = description }
}

/// Runs a command that must succeed; returns its output.
@discardableResult
public func succeed(_ arguments: String...) throws -> String { try succeed(arguments) }

/// Runs a command that must succeed; returns its output.
@discardableResult
public func succeed(_ arguments: [String]) throws -> String {
  let result = try run(arguments)
  guard result.status == 0 else {
    throw CommandFailure(
      description: "\(arguments.joined(separator: " ")): \(result.errors) (\(result.status))")
  }
  return result.output
}

/// A mount, undone with the value.
public final class Mount: @unchecked Sendable {
  /// Where it is.
  public let path: FilePath
  private var isMounted = false

  /// Mounts at a directory, which is made if it does not exist.
  ///
  /// - Parameter arguments: those of `mount(8)`, without the directory.
  public init(_ arguments: [String], at path: FilePath) throws {
    self.path = path
    try FileManager.default.createDirectory(
      atPath: path.string, withIntermediateDirectories: true)
    try succeed(["mount"] + arguments + [path.string])
    isMounted = true
  }

  /// Waits until a process has mounted something on a directory.
  public init(waitingFor path: FilePath) throws {
    self.path = path
    for _ in 0..<1000 where !isMounted {
      isMounted = try read("/proc/self/mountinfo").contains(" \(path) ")
      if !isMounted { usleep(10_000) }
    }
    guard isMounted else { throw CommandFailure(description: "nothing is mounted on \(path)") }
  }

  /// Mounts on a file.
  ///
  /// - Parameter arguments: those of `mount(8)`, without the file.
  public init(_ arguments: [String], on path: FilePath) throws {
    self.path = path
    try succeed(["mount"] + arguments + [path.string])
    isMounted = true
  }

  /// Unmounts. What is busy for a moment is tried again.
  public func unmount() throws {
    guard isMounted else { return }
    var result = try run("umount", path.string)
    for _ in 0..<40 where result.status != 0 {
      usleep(50_000)
      result = try run("umount", path.string)
    }
    guard result.status == 0 else {
      throw CommandFailure(description: "umount \(path): \(result.errors)")
    }
    isMounted = false
  }

  /// What is mounted: the device, or the name of the mount.
  public var source: String {
    get throws {
      try succeed("findmnt", "-n", "-o", "SOURCE", path.string)
        .trimmingCharacters(in: .whitespacesAndNewlines)
    }
  }

  deinit {
    guard isMounted else { return }
    if let result = try? run("umount", path.string), result.status == 0 { return }
    _ = try? run("umount", "-l", path.string)
  }
}
