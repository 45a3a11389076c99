import Foundation
import Glibc
import SystemPackage
import TestSupport
import Testing

/// What tests do with a mount as its users do.
extension Mounted {
  /// Runs commands of `sh` in the mount's root; they must succeed.
  func perform(_ script: String, _ location: SourceLocation = #_sourceLocation) throws {
    let result = try run(["sh", "-ec", #"cd "$0"; "# + script, mountpoint.string], location)
    #expect(result.status == 0, "\(result.errors)\(log.suffix(2000))", sourceLocation: location)
  }

  private func run(_ command: [String], _ location: SourceLocation) throws -> CommandResult {
    try run(command, seconds: 60, location)
  }

  /// Waits until commands of `sh` in the mount's root print a text.
  func expectSoon(
    _ script: String, _ text: String, within seconds: Double = 1,
    _ location: SourceLocation = #_sourceLocation
  ) throws {
    var last = ""
    let end = ContinuousClock.now + .seconds(seconds)
    repeat {
      // The time of the process itself does not count.
      let isLate = ContinuousClock.now > end
      last = try run(["sh", "-c", #"cd "$0"; "# + script, mountpoint.string]).output
      if last == text || isLate { break }
    } while true
    #expect(last == text, sourceLocation: location)
  }

  /// A figure of `handlefs status`; `nil` if the server ends while it answers.
  func figure(_ name: String) -> Int? {
    let answer = try? run(
      [Self.program ?? "", "status", mountpoint.string, "--format", "json"], seconds: 20)
    let values = try? JSONSerialization.jsonObject(with: Data((answer?.output ?? "").utf8))
    return ((values as? [String: Any])?[name] as? NSNumber)?.intValue
  }

  /// The file handles of files, as text.
  func handleText(_ names: [String]) throws -> String {
    try load(["handle"] + names.map { mountpoint.pushing(FilePath($0)).string })
  }

  func inodes(_ names: [String]) throws -> String {
    try run(["stat", "-c", "%i"] + names.map { mountpoint.pushing(FilePath($0)).string }).output
  }

  /// Kills the process that serves this mount, which may have been started for another one.
  func killServing() throws {
    let id = try #require(figure("pid"))
    #expect(kill(pid_t(id), SIGKILL) == 0)
    #expect(eventually(seconds: 20) { figure("pid").map { $0 != id } ?? false })
  }
}
