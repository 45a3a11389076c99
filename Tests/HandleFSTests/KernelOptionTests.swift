import Foundation
import SystemPackage
import TestSupport
import Testing

/// The options that are for the kernel: requests in the background, the time that a request may take,
/// and mounts that map users.
@Suite struct KernelOptionTests {
  // MARK: Requests in the background

  @Test(
    .mountsHandleFS,
    arguments: [
      ([], "64 48"), (["--max-background", "7"], "7 5"), (["--max-background", "1"], "1 1"),
      (["--max-background", "65535", "--congestion", "3"], "65535 3"),
      (["-o", "max_background=9,congestion_threshold=9"], "9 9"),
    ])
  func limitsAreTheKernels(_ options: [String], _ expected: String) throws {
    let mounted = try Mounted(.ext4, options)
    let shown = try mounted.inConnection("echo $(cat max_background congestion_threshold)")
    #expect(shown == "\(expected)\n")
    let status = try mounted.status()
    #expect("\(status["max_background"] ?? 0) \(status["congestion_threshold"] ?? 0)" == expected)
  }

  // MARK: A connection that the kernel ends

  /// The mount does not stay as a ruin, and the supervisor says what has happened.
  @Test(.mountsHandleFS) func anAbortedMountIsUnmounted() throws {
    let mounted = try Mounted(.ext4)
    _ = try mounted.inConnection("echo 1 >abort")
    try mounted.expectEnd()
  }

  /// Takes about half a minute, because the kernel looks every 15 seconds; so the long campaigns do it.
  @Test(.mountsHandleFS) func requestsTakeNoLongerThanTheyMay() throws {
    guard soak > 1 else { return }
    let mounted = try Mounted(
      .ext4, ["--request-timeout", "1", "--watchdog", "0", "--cache-timeout", "0"])
    let server = try #require(mounted.serverID)
    // A server that is idle for longer than that is all right.
    usleep(2_500_000)
    #expect(try mounted.run(["stat", mounted.mountpoint.string]).status == 0)
    try stop(server)
    let began = ContinuousClock.now
    let result = try mounted.run(["stat", mounted.mountpoint.string])
    #expect(result.status != 0 && ContinuousClock.now - began < .seconds(50), "\(result.errors)")
    kill(server, SIGKILL)
    try mounted.expectEnd()
  }

  /// Without the option, a request waits.
  @Test(.mountsHandleFS) func requestsMayTakeLong() throws {
    let mounted = try Mounted(.ext4, ["--watchdog", "0", "--cache-timeout", "0"])
    let server = try #require(mounted.serverID)
    try stop(server)
    let child = try Child(["stat", mounted.mountpoint.string])
    #expect(child.wait(seconds: 3) == nil)
    kill(server, SIGCONT)
    #expect(child.wait(seconds: 20) == 0)
  }

  // MARK: Mounts that map users

  /// User 50000 on the disk is user 0 on the mounts of these tests, and so on.
  private static let mapping = ["50000", "0", "40000"]

  /// What somebody sees and may do there is what the filesystem below shows and allows if it is mapped
  /// in the same way.
  @Test(.mountsHandleFS, arguments: ["root", "user"]) func mapsUsers(_ user: String) throws {
    let mounted = try Mounted(.ext4, ["--allow-idmap"], megabytes: 512)
    let directory = try TemporaryDirectory()
    chmod(directory.path.string, 0o755)
    let maps = ["bare", "through"].map { directory.appending($0) }
    for map in maps { try succeed("mkdir", map.string) }
    let owner = user == "root" ? "50000" : "62345"
    for table in [mounted.source, mounted.volume.path] {
      try succeed(
        "install", "-d", "-m", "755", "-o", owner, "-g", owner, table.appending("table").string)
    }
    try mounted.load(["map", mounted.volume.path.string, maps[0].string] + Self.mapping)
    defer { umount2(maps[0].string, Int32(MNT_DETACH)) }
    try mounted.load(["map", mounted.mountpoint.string, maps[1].string] + Self.mapping)
    defer { umount2(maps[1].string, Int32(MNT_DETACH)) }
    let expected = try mounted.run(
      [product("posixtable"), "\(maps[0])/table", "\(mounted.volume.path)/table", user], seconds: 90
    )
    let found = try mounted.run(
      [product("posixtable"), "\(maps[1])/table", "\(mounted.source)/table", user], seconds: 90)
    #expect(
      expected.output.count > 50_000 && found.status == 0, "\(expected.errors)\(found.errors)")
    let differences = PosixTests.differences(expected.output, found.output, .ext4, ["mapped"])
    #expect(differences.isEmpty, "\(differences.joined(separator: "\n"))\n\(mounted.log)")
    // The file is another user's on the disk; there is nobody for whom it could be made.
    let file = maps[1].appending("table/new").string
    let uid = user == "root" ? "0" : "12345"
    #expect(try mounted.run(Self.asUser(uid) + ["touch", file]).status == 0)
    #expect(
      try succeed("stat", "-c", "%u:%g", "\(mounted.source)/table/new") == "\(owner):\(owner)\n")
    #expect(try mounted.run(Self.asUser("45000") + ["touch", "\(maps[1])/other"]).status != 0)
  }

  private static func asUser(_ id: String) -> [String] {
    ["setpriv", "--reuid=\(id)", "--regid=\(id)", "--clear-groups"]
  }

  /// Without the option, the kernel does not map.
  @Test(.mountsHandleFS) func doesNotMapUnasked() throws {
    let mounted = try Mounted(.ext4)
    let directory = try TemporaryDirectory()
    let result = try mounted.run(
      [product("mountload"), "map", mounted.mountpoint.string, directory.path.string]
        + Self.mapping)
    #expect(result.errors.contains("EINVAL"))
  }
}

extension Mounted {
  /// Runs a command in the directory of the mount's connection, in `/sys/fs/fuse/connections`.
  fileprivate func inConnection(_ command: String) throws -> String {
    let script = """
      mount -t fusectl fusectl /sys/fs/fuse/connections
      cd "/sys/fs/fuse/connections/$(mountpoint -d "$0" | cut -d : -f 2)"
      \(command)
      """
    let result = try run(
      [
        "unshare", "--mount", "--propagation", "private", "--", "sh", "-ec", script,
        mountpoint.string,
      ])
    #expect(result.status == 0, "\(result.errors)")
    return result.output
  }

  /// Expects the mount and its processes to go, and the log to say why.
  fileprivate func expectEnd(_ location: SourceLocation = #_sourceLocation) throws {
    let isGone = eventually(seconds: 20) {
      !self.isMounted && self.supervisorID == nil && self.serverID == nil
    }
    #expect(isGone, "\(log)", sourceLocation: location)
    let text = "the kernel has ended the connection of \(mountpoint)"
    #expect(log.contains(text), "\(log)", sourceLocation: location)
  }
}
