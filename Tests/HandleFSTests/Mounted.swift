import Foundation
import Glibc
import SystemPackage
import TestSupport
import Testing

extension Trait where Self == ConditionTrait {
  /// The test mounts a filesystem by the program that HANDLEFS names.
  static var mountsHandleFS: Self {
    .enabled(
      if: Mounted.program != nil && mayMount || isContinuousIntegration,
      "needs root, and the environment variable HANDLEFS, as in Scripts/test")
  }
}

/// The directory of the package.
let packageRoot = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3)
  .joined(separator: "/")

/// The filesystems that are shown.
let shown: [VolumeKind] = [.ext4, .xfs, .btrfs]

/// A directory of a volume, mounted in another place by `handlefs`, with the store outside of it. The
/// mount is removed with the value, whatever state it is in.
///
/// If the server does not answer, every process that touches the mount waits for ever. So no test
/// touches it from its own process: commands do (``run(_:seconds:_:)``), for a limited time.
final class Mounted: @unchecked Sendable {
  /// The program, if there is one.
  static let program = ProcessInfo.processInfo.environment["HANDLEFS"].flatMap { path in
    realpath(path, nil).map { resolved in
      defer { free(resolved) }
      return String(cString: resolved)
    }
  }

  let volume: Volume
  private let directory: TemporaryDirectory
  private let command: [String]
  /// More arguments of `handlefs`, for the next mount.
  var options: [String]
  private var supervisor: Child?

  /// The directory that is shown.
  let source: FilePath
  /// Where it is shown.
  var mountpoint: FilePath { directory.appending("mounted") }
  let store: FilePath
  /// The point at which the server kills itself or waits (a build with `-DFAULT_POINTS`).
  var fault: FilePath { directory.appending("fault") }
  /// Whether the server reaches that point soon.
  var isFaultReached: Bool {
    eventually(seconds: 5) { !FileManager.default.fileExists(atPath: fault.string) }
  }
  private var logFile: FilePath { directory.appending("log") }

  /// Makes a volume, and mounts a directory of it.
  ///
  /// - Parameters:
  ///   - options: more arguments of `handlefs`.
  ///   - descriptors: how many files each process may have open.
  ///   - wrapper: environment variables (`NAME=value`), and a command that runs the program that
  ///     follows.
  convenience init(
    _ kind: VolumeKind, _ options: [String] = [], megabytes: Int? = nil, format: [String] = [],
    descriptors: Int? = nil, by wrapper: [String] = []
  ) throws {
    try self.init(
      Volume(kind, megabytes: megabytes, format: format), options, descriptors: descriptors,
      by: wrapper)
  }

  /// Mounts a directory of the volume of another mount, with its store, in another place.
  ///
  /// - Parameter source: the directory; that of the other mount, if none is given.
  convenience init(
    sharing other: Mounted, _ options: [String] = [], source: FilePath? = nil,
    descriptors: Int? = nil, by wrapper: [String] = []
  ) throws {
    try self.init(
      other.volume, options, source: source ?? other.source, store: other.store,
      descriptors: descriptors, by: wrapper)
  }

  /// Mounts a directory of a volume, with its nodes in a database.
  convenience init(
    _ volume: Volume, shared connection: String, _ options: [String] = [], by wrapper: [String] = []
  ) throws {
    try self.init(
      volume, options, place: ["--shared", connection], descriptors: nil, by: wrapper)
  }

  private init(
    _ volume: Volume, _ options: [String], source: FilePath? = nil, store: FilePath? = nil,
    place: [String]? = nil, descriptors: Int?, by wrapper: [String]
  ) throws {
    guard let program = Self.program else {
      throw CommandFailure(description: "the environment variable HANDLEFS is not set")
    }
    directory = try TemporaryDirectory()
    self.volume = volume
    self.source = source ?? volume.path.appending("source")
    self.store = store ?? directory.appending("store")
    let environment = ProcessInfo.processInfo.environment
    let transport = environment["HANDLEFS_TRANSPORT"].map { ["--transport", $0] } ?? []
    let limit = descriptors.map { ["prlimit", "--nofile=\($0):\($0)"] } ?? []
    command =
      ["env", "HANDLEFS_FAULT=\(directory.appending("fault"))"] + wrapper + limit
      + [program, self.source.string, directory.appending("mounted").string]
      + (place ?? ["--store", self.store.string]) + transport + ["--foreground"]
    self.options = options
    for path in [directory.path, volume.path, self.source, mountpoint] {
      try FileManager.default.createDirectory(
        atPath: path.string, withIntermediateDirectories: true)
      chmod(path.string, 0o755)
    }
    try mount()
  }

  /// Mounts it, as it was mounted first.
  func mount() throws {
    supervisor = try Child(["sh", "-c", #"exec "$@" 2>>"$0""#, logFile.string] + command + options)
    guard eventually(seconds: 20, { self.isMounted && self.serverID != nil }),
      try run(["stat", mountpoint.string]).status == 0
    else {
      throw CommandFailure(description: "handlefs has not mounted: \(log)")
    }
  }

  /// Ends the supervisor (SIGTERM), and waits until all is gone.
  func unmount() throws {
    guard let id = supervisorID else { return }
    kill(id, SIGTERM)
    guard eventually(seconds: 20, { self.processes.isEmpty }) else {
      throw CommandFailure(description: "handlefs does not end: \(log)")
    }
    _ = supervisor?.wait(seconds: 0)
    #expect(!isMounted)
  }

  /// What the processes have logged.
  var log: String { (try? read(logFile)) ?? "" }

  /// Whether something is mounted there.
  var isMounted: Bool {
    (try? read("/proc/self/mountinfo"))?.contains(" \(mountpoint) ") ?? false
  }

  // MARK: Its processes

  /// The one that was started, as long as it is the one that watches.
  var supervisorID: pid_t? {
    processes.first { $0.role == "supervise" }?.id
  }

  /// The process that serves now.
  var serverID: pid_t? { processes.first { $0.role == "serve" }?.id }

  /// The one that was started ahead of time, and is not needed yet.
  var standbyID: pid_t? { processes.first { $0.role == "next" }?.id }

  private struct Running {
    let id: pid_t
    let parent: pid_t
    let role: String
  }

  /// Those that serve this mount: they have the program and the path of this mount, which no other
  /// has, in their arguments; those of a supervisor that was killed as well.
  private var processes: [Running] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return names.compactMap { pid_t($0) }.compactMap { id in
      let words = (try? Self.entry(id, "cmdline"))?.split(separator: "\0") ?? []
      guard words.first.map(String.init) == Self.program, words.contains("\(mountpoint)"),
        let stat = try? Self.entry(id, "stat"), let end = stat.lastIndex(of: ")")
      else { return nil }
      let fields = stat[end...].split(separator: " ")
      guard fields.count > 2, fields[1] != "Z", let parent = pid_t(fields[2]) else { return nil }
      var role = words.dropFirst().first == "serve" ? "serve" : "supervise"
      if isStandby(id, words) { role = "next" }
      return Running(id: id, parent: parent, role: role)
    }
  }

  private static func entry(_ process: pid_t, _ name: String) throws -> String {
    try read(FilePath("/proc/\(process)/\(name)"))
  }

  /// Kills the server (SIGKILL), and says which it was.
  @discardableResult func killServer() throws -> pid_t {
    // On a busy machine, one that was killed before may not have been replaced yet.
    var found: pid_t?
    _ = eventually(seconds: 20) {
      found = serverID
      return found != nil
    }
    let id = try #require(found, "no server: \(log)")
    #expect(kill(id, SIGKILL) == 0)
    return id
  }

  /// Waits until another server serves.
  @discardableResult func waitForNewServer(after old: pid_t) throws -> pid_t {
    var found: pid_t?
    let isThere = eventually(seconds: 20) {
      found = self.processes.first { $0.role == "serve" && $0.id != old }?.id
      return found != nil
    }
    guard isThere, let found else {
      throw CommandFailure(description: "no other server: \(log)")
    }
    return found
  }

  /// Kills the supervisor (SIGKILL), and says which it was.
  @discardableResult func killSupervisor() throws -> pid_t {
    let id = try #require(supervisorID, "no supervisor: \(log)")
    #expect(kill(id, SIGKILL) == 0)
    if supervisor?.pid == id { supervisor?.wait() }
    return id
  }

  func waitForNewSupervisor(after old: pid_t) throws -> pid_t {
    var found: pid_t?
    _ = eventually(seconds: 10) {
      let before = found
      found = self.processes.first { $0.role == "supervise" && $0.id != old }?.id
      // A process that the old one was about to start looks like it for a moment.
      usleep(50_000)
      return found != nil && found == before
    }
    return try #require(found, "no other supervisor: \(log)")
  }

  var descriptorsOfServer: Int {
    let id = serverID ?? 0
    return (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(id)/fd").count) ?? 0
  }

  /// `VmRSS` of the server, KiB.
  var memoryOfServer: Int {
    let status = (try? Self.entry(serverID ?? 0, "status")) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
    return line?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
  }

  // MARK: Using it

  /// Runs a command that may touch the mount. If it takes too long, the test fails, and all processes
  /// that serve the mount are ended, so that the command ends too.
  func run(
    _ command: [String], seconds: Double = 60, _ location: SourceLocation = #_sourceLocation
  ) throws -> CommandResult {
    let files = try TemporaryDirectory()
    let (output, errors) = (files.appending("output"), files.appending("errors"))
    let child = try Child(
      ["sh", "-c", #"out=$0 err=$1; shift; exec "$@" >"$out" 2>"$err""#, output.string]
        + [errors.string] + command)
    child.endInput()
    if child.wait(seconds: seconds) == nil {
      Issue.record(
        "\(command.joined(separator: " ")) hangs: \(log.suffix(2000))", sourceLocation: location)
      endAll()
      child.kill()
    }
    return CommandResult(
      status: child.wait(), output: (try? read(output)) ?? "", errors: (try? read(errors)) ?? "")
  }

  /// Runs a helper of the tests, which must succeed; returns what it prints.
  @discardableResult func load(
    _ arguments: String..., seconds: Double = 60, _ location: SourceLocation = #_sourceLocation
  ) throws -> String {
    try load(arguments, seconds: seconds, location)
  }

  @discardableResult func load(
    _ arguments: [String], seconds: Double = 60, _ location: SourceLocation = #_sourceLocation
  ) throws -> String {
    let result = try run([product("mountload")] + arguments, seconds: seconds, location)
    #expect(result.status == 0, "\(arguments): \(result.errors)", sourceLocation: location)
    return result.output.trimmingCharacters(in: .whitespacesAndNewlines)
  }

  /// A file through the mount, held open by another process.
  ///
  /// - Parameter way: `file`, `directory`, or `path` (`O_PATH`).
  func hold(_ name: String, as way: String = "file") throws -> Child {
    let holder = try Child("mountload", ["hold", mountpoint.appending(name).string, way])
    #expect(holder.line(seconds: 20) == "open")
    return holder
  }

  private func endAll() {
    // A supervisor starts another server, and a server another supervisor: until none is left.
    for _ in 0..<200 {
      let left = processes.sorted { $0.role > $1.role }
      if left.isEmpty { break }
      for process in left { kill(process.id, SIGKILL) }
      _ = supervisor?.wait(seconds: 0)
      usleep(10_000)
    }
  }

  deinit {
    if let id = supervisorID {
      kill(id, SIGTERM)
      _ = eventually(seconds: 5) { self.processes.isEmpty }
    }
    endAll()
    if isMounted { _ = umount2(mountpoint.string, Int32(MNT_DETACH)) }
  }
}

/// Whether a process of HandleFS was started ahead of time, and is not needed yet.
func isStandby(_ process: pid_t, _ arguments: [Substring]) -> Bool {
  guard arguments.contains("--when-needed") else { return false }
  return (try? read(FilePath("/proc/\(process)/comm"))) != "handlefs-serve\n"
}

/// Stops a process (SIGSTOP), and waits until each thread of it has stopped.
func stop(_ process: pid_t) throws {
  #expect(kill(process, SIGSTOP) == 0)
  let threads = FilePath("/proc/\(process)/task")
  let isStopped = try eventually(seconds: 10) {
    try FileManager.default.contentsOfDirectory(atPath: threads.string).allSatisfy { thread in
      let stat = try? read(threads.appending(thread).appending("stat"))
      return stat?.contains(") T ") ?? true
    }
  }
  #expect(isStopped, "process \(process) does not stop")
}
