import CYardstick
import Formatting
import Foundation
import SystemPackage

/// The directories in which contenders are mounted and work, one after the other.
final class WorkingPlace {
  /// On the filesystem that is measured.
  let root: String
  /// Elsewhere, for what must not be measured.
  let elsewhere: String
  private var mountpoint: String { "\(elsewhere)/mountpoint" }

  init(in directory: String) throws {
    let name = "handlebench-\(ProcessInfo.processInfo.processIdentifier)"
    root = "\(directory)/\(name)"
    elsewhere = NSTemporaryDirectory() + "/" + name
    for path in [root, elsewhere, mountpoint] {
      try FileManager.default.createDirectory(
        atPath: path, withIntermediateDirectories: true)
    }
  }

  func remove() {
    try? FileManager.default.removeItem(atPath: root)
    try? FileManager.default.removeItem(atPath: elsewhere)
  }

  /// Mounts a contender over a directory, runs `body`, and unmounts it.
  ///
  /// - Parameter source: the directory, or `nil` for an empty one, which is removed at the end.
  func withMount<R>(
    _ contender: Contender, of source: String? = nil, _ body: (MountedContender) throws -> R
  ) throws -> R {
    if let source { return try withMount(contender, over: source, body) }
    let new = "\(root)/source"
    try? FileManager.default.removeItem(atPath: new)
    try FileManager.default.createDirectory(atPath: new, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: new) }
    return try withMount(contender, over: new, body)
  }

  private func withMount<R>(
    _ contender: Contender, over source: String, _ body: (MountedContender) throws -> R
  ) throws -> R {
    var mounted = MountedContender(contender: contender, path: mountpoint, mountpoint: mountpoint)
    switch contender {
    case .bare:
      return try body(
        MountedContender(contender: contender, path: source, mountpoint: mountpoint))
    case .handleFS(let program, let options):
      try output(of: program, [source, mountpoint, "--store", "\(elsewhere)/store"] + options)
    case .other(_, let command):
      mounted.process = try start(command, from: source)
    }
    defer { unmount(mounted) }
    return try body(mounted)
  }

  /// Mounts a contender once, so that one that does not work is known before the first turn.
  func tryOut(_ contender: Contender) throws {
    _ = try withMount(contender) { try FileManager.default.contentsOfDirectory(atPath: $0.path) }
  }

  private func start(_ command: [String], from source: String) throws -> Process {
    let (process, before) = (Process(), Self.device(mountpoint))
    // Some servers hold a descriptor for each file. They get as many as there may be. Each has a session of
    // its own, as a daemon has: the scheduler takes the processes of a session for one group (autogroup in
    // sched(7)), and a server in its client's group would be two or three times as fast. If this program is
    // killed, the server unmounts itself.
    let limit =
      #"ulimit -n 1048576 2>/dev/null || ulimit -n "$(ulimit -H -n)"; end="setpriv --pdeathsig TERM"; "#
      + #"exec $end setsid --wait $end "$0" "$@""#
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", limit] + command.map { replaced($0, source) }
    let log = try FileHandle(forWritingTo: emptyLog())
    (process.standardOutput, process.standardError) = (log, log)
    try process.run()
    for _ in 0..<500 where process.isRunning && Self.device(mountpoint) == before {
      usleep(10_000)
    }
    guard Self.device(mountpoint) != before else {
      end(process)
      let said = (try? String(contentsOfFile: "\(elsewhere)/log", encoding: .utf8)) ?? ""
      throw BenchError(
        description: "\(command.joined(separator: " ")) did not mount anything within 5 seconds"
          + (said.isEmpty ? "" : "; it printed: \(said.suffix(1000))"))
    }
    return process
  }

  /// Makes the file for what a server prints, of which only a failure to mount is of interest.
  private func emptyLog() throws -> URL {
    let log = URL(fileURLWithPath: "\(elsewhere)/log")
    try Data().write(to: log)
    return log
  }

  /// Returns a word of a command with the paths in it. In a list of mount options a comma in a path
  /// has a backslash before it.
  private func replaced(_ word: String, _ source: String) -> String {
    var (source, mountpoint) = (source, mountpoint)
    if word != "{source}" && word != "{mountpoint}" {
      for character in ["\\", ","] {
        source = source.replacingOccurrences(of: character, with: "\\" + character)
        mountpoint = mountpoint.replacingOccurrences(of: character, with: "\\" + character)
      }
    }
    return word.replacingOccurrences(of: "{source}", with: source)
      .replacingOccurrences(of: "{mountpoint}", with: mountpoint)
  }

  private func unmount(_ mounted: MountedContender) {
    // A server that was interrupted together with this program has unmounted itself.
    for _ in 0..<50 where Self.device(mountpoint) != Self.device(elsewhere) {
      if (try? output(of: "umount", [mountpoint])) == nil { usleep(100_000) }
    }
    if let process = mounted.process { return end(process) }
    guard case .handleFS = mounted.contender else { return }
    // HandleFS has released its store once its sockets are gone; give it time for that.
    usleep(200_000)
    try? FileManager.default.removeItem(atPath: "\(elsewhere)/store")
  }

  /// Waits for a server, which ends after the unmount. Kills it if it does not.
  private func end(_ process: Process) {
    for _ in 0..<500 where process.isRunning { usleep(10_000) }
    if let server = MountedContender.child(of: process.processIdentifier) { kill(server, SIGKILL) }
    process.waitUntilExit()
  }

  private static func device(_ path: String) -> UInt64 {
    let attributes = try? FileManager.default.attributesOfItem(atPath: path)
    return attributes?[.systemNumber] as? UInt64 ?? 0
  }

  /// Writes what others left dirty, so that it does not disturb the next work.
  func settle() throws {
    let result = try FileDescriptor.withDirectory(root) { fsload_sync($0.rawValue) }
    guard result == 0 else { throw Errno(rawValue: -result) }
  }

  /// Makes the kernel forget names and inodes that nobody uses, and gives the server time to hear of
  /// it.
  func dropCaches() throws {
    try settle()
    try Text.write("2", to: "/proc/sys/vm/drop_caches")
    usleep(100_000)
  }
}
