import Formatting
import Foundation
import SystemPackage

/// The directories in which contenders are mounted and work, one after the other.
final class WorkingPlace {
  private let root: String
  private let elsewhere: String

  init(in directory: String) throws {
    let name = "handlebench-\(ProcessInfo.processInfo.processIdentifier)"
    root = "\(directory)/\(name)"
    elsewhere = NSTemporaryDirectory() + "/" + name
    for path in [root, elsewhere, "\(elsewhere)/mountpoint"] {
      try FileManager.default.createDirectory(
        atPath: path, withIntermediateDirectories: true)
    }
  }

  func remove() {
    try? FileManager.default.removeItem(atPath: root)
    try? FileManager.default.removeItem(atPath: elsewhere)
  }

  /// Mounts a contender over an empty directory, runs `body`, and unmounts it.
  func withMount<R>(_ contender: Contender, _ body: (MountedContender) throws -> R) throws -> R {
    let source = "\(root)/\(contender.name)"
    let mountpoint = "\(elsewhere)/mountpoint"
    try? FileManager.default.removeItem(atPath: source)
    try FileManager.default.createDirectory(atPath: source, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: source) }
    var mounted = MountedContender(contender: contender, path: mountpoint, mountpoint: mountpoint)
    switch contender {
    case .bare:
      return try body(
        MountedContender(contender: contender, path: source, mountpoint: mountpoint))
    case .handleFS(let program):
      try output(of: program, [source, mountpoint, "--store", "\(elsewhere)/store"])
    case .other(_, let command):
      mounted.process = try start(command, from: source, at: mountpoint)
    }
    defer { unmount(mounted) }
    return try body(mounted)
  }

  private func start(_ command: String, from source: String, at mountpoint: String) throws
    -> Process
  {
    let words = command.split(separator: " ").map {
      $0.replacingOccurrences(of: "{source}", with: source)
        .replacingOccurrences(of: "{mountpoint}", with: mountpoint)
    }
    guard let program = Contender.find(words[0]) else {
      throw BenchError(description: "there is no program \(words[0])")
    }
    let (process, before) = (Process(), Self.device(mountpoint))
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = Array(words.dropFirst())
    try process.run()
    for _ in 0..<500 where Self.device(mountpoint) == before { usleep(10_000) }
    guard Self.device(mountpoint) != before else {
      process.terminate()
      throw BenchError(description: "\(command) did not mount anything within 5 seconds")
    }
    return process
  }

  private func unmount(_ mounted: MountedContender) {
    for _ in 0..<50 {
      if (try? output(of: "umount", [mounted.mountpoint])) != nil { break }
      usleep(100_000)
    }
    mounted.process?.waitUntilExit()
    // HandleFS has released its store once its sockets are gone; give it time for that.
    usleep(200_000)
    try? FileManager.default.removeItem(atPath: "\(elsewhere)/store")
  }

  private static func device(_ path: String) -> UInt64 {
    let attributes = try? FileManager.default.attributesOfItem(atPath: path)
    return attributes?[.systemNumber] as? UInt64 ?? 0
  }

  /// Makes the kernel forget names and inodes that nobody uses.
  static func dropCaches() { try? Text.write("2", to: "/proc/sys/vm/drop_caches") }
}

/// The time from the death of a server to the next reply.
enum RestartTimes {
  /// Kills the server `kills` times, and returns the times in nanoseconds, sorted.
  static func measure(
    _ contender: Contender, _ place: WorkingPlace, kills: Int
  ) throws -> [UInt64] {
    try place.withMount(contender) { mounted in
      try (0..<kills).map { i in
        guard let server = mounted.server() else {
          throw BenchError(description: "no server answers after \(i) kills")
        }
        // Let the server live longer than one that the supervisor counts as dying right after its
        // start.
        usleep(150_000)
        kill(server, SIGKILL)
        let start = now()
        // The kernel cannot have this name cached.
        _ = FileManager.default.fileExists(atPath: "\(mounted.path)/none-\(i)")
        return now() - start
      }.sorted()
    }
  }
}
