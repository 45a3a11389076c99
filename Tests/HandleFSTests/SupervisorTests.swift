import Foundation
import Glibc
import SystemPackage
import TestSupport
import Testing

/// What a mount bears of those who administer the machine.
@Suite struct SupervisorTests {
  /// A mount that is read-only stays so, whatever the kernel is told.
  @Test(.mountsHandleFS, arguments: ["auto", "off"])
  func staysReadOnly(_ passthrough: String) throws {
    let mounted = try Mounted(.ext4, ["--passthrough", passthrough])
    try mounted.unmount()
    try write("text", to: mounted.source.appending("file"))
    mounted.options.append("--read-only")
    try mounted.mount()
    let (through, file) = (mounted.mountpoint.string, "\(mounted.mountpoint)/file")
    #expect(try mounted.run(["mount", "-i", "-o", "remount,rw", through]).status == 0)
    let before = try succeed("stat", mounted.source.string, "\(mounted.source)/file")
    for command in [
      ["touch", file], ["touch", "\(through)/new"], ["mkdir", "\(through)/new"], ["rm", file],
      ["chmod", "600", file], ["chown", "1", file], ["ln", file, "\(through)/new"],
      ["ln", "-s", file, "\(through)/new"], ["mv", file, "\(through)/new"],
      ["mkfifo", "\(through)/new"], ["truncate", "-s", "0", file],
      ["setfattr", "-n", "user.x", "-v", "1", file], ["fallocate", "-l", "1M", file],
      ["dd", "if=/dev/zero", "of=\(file)", "bs=4k", "count=1", "oflag=direct"],
      ["sh", "-c", #"echo >>"$0""#, file],
    ] {
      let result = try mounted.run(command)
      #expect(result.status != 0, "\(command)")
      #expect(result.errors.contains("Read-only file system"), "\(command): \(result.errors)")
    }
    #expect(try succeed("stat", mounted.source.string, "\(mounted.source)/file") == before)
    #expect(try mounted.run(["cat", file]).output == "text")
  }

  /// A terminal that is closed, or who sends SIGHUP for something to be read anew, changes nothing.
  @Test(.mountsHandleFS) func hangupChangesNothing() throws {
    let mounted = try Mounted(.ext4)
    let file = try mounted.hold("file", creating: "text")
    let (supervisor, server) = (try #require(mounted.supervisorID), try #require(mounted.serverID))
    for _ in 0..<3 {
      for process in [supervisor, server] { kill(process, SIGHUP) }
      usleep(100_000)
    }
    #expect(mounted.isMounted && mounted.supervisorID == supervisor && mounted.serverID == server)
    #expect(try mounted.run(["ls", mounted.mountpoint.string]).output == "file\n")
    #expect(file.ask("read") == "has text")
    file.kill()
    try mounted.unmount()
  }

  /// A server that was stopped is replaced.
  @Test(.mountsHandleFS, arguments: ["auto", "off"])
  func replacesAStoppedServer(_ passthrough: String) throws {
    let mounted = try Mounted(.ext4, ["--passthrough", passthrough, "--watchdog", "1"])
    let file = try mounted.hold("file", creating: "text")
    for _ in 0..<2 {
      let server = try #require(mounted.serverID)
      // One that has nothing to do is not taken for stopped.
      usleep(1_800_000)
      #expect(mounted.serverID == server)
      try stop(server)
      // On a busy machine the next server may seem to be stopped, too.
      #expect(try mounted.run(["ls", mounted.mountpoint.string], seconds: 30).output == "file\n")
      #expect(mounted.serverID != server)
      #expect(file.ask("read") == "has text")
    }
    // Nor if the next supervisor looks after it.
    _ = try mounted.waitForNewSupervisor(after: mounted.killSupervisor())
    let server = try #require(mounted.serverID)
    usleep(1_800_000)
    #expect(mounted.serverID == server)
    try stop(server)
    #expect(try mounted.run(["ls", mounted.mountpoint.string], seconds: 30).output == "file\n")
    file.kill()
    try mounted.unmount()
  }

  /// Unless nobody is to look.
  @Test(.mountsHandleFS) func lookingMayBeSwitchedOff() throws {
    let mounted = try Mounted(.ext4, ["--watchdog", "0"])
    let server = try #require(mounted.serverID)
    try stop(server)
    usleep(2_000_000)
    #expect(mounted.serverID == server)
    kill(server, SIGCONT)
    #expect(try mounted.run(["ls", mounted.mountpoint.string]).status == 0)
    #expect(mounted.serverID == server)
  }

  /// Who finds both processes gone is told what to do.
  @Test(.mountsHandleFS) func saysWhatToDoWhenAllIsGone() throws {
    let mounted = try Mounted(.ext4)
    let (supervisor, server) = (try #require(mounted.supervisorID), try #require(mounted.serverID))
    // Neither may notice the other's end.
    for process in [supervisor, server] { try stop(process) }
    // The server first: the end of its parent would wake it (SIGCONT to an orphaned process group).
    for process in [server, supervisor] { kill(process, SIGKILL) }
    #expect(eventually(seconds: 5) { mounted.serverID == nil && mounted.supervisorID == nil })
    #expect(mounted.isMounted)
    let program = try #require(Mounted.program)
    for command in [["status"], ["restart"], ["events"]] {
      let result = try mounted.run([program] + command + [mounted.mountpoint.string])
      #expect(result.status != 0)
      #expect(result.errors.contains("unmount it first"), "\(command): \(result.errors)")
    }
    let again = try mounted.mountInBackground()
    #expect(again.status != 0 && again.errors.contains("unmount it first"), "\(again.errors)")
    let below = try mounted.mountInBackground(mountpoint: mounted.mountpoint.appending("below"))
    #expect(below.status != 0 && below.errors.contains("unmount it first"), "\(below.errors)")
    #expect(try mounted.run(["umount", mounted.mountpoint.string]).status == 0)
    #expect(try mounted.mountInBackground().status == 0)
    try mounted.unmount()
  }

  /// Unmounting waits for what is still to be written; meanwhile the supervisor goes on with its work.
  @Test(.mountsHandleFS) func neverWaitsForItsOwnMount() throws {
    let mounted = try Mounted(.ext4, ["--passthrough", "off", "--watchdog", "0"])
    try mounted.load("dirty", "\(mounted.mountpoint)/file")
    let (supervisor, server) = (try #require(mounted.supervisorID), try #require(mounted.serverID))
    try stop(server)
    kill(supervisor, SIGTERM)
    usleep(300_000)
    kill(server, SIGKILL)
    #expect(eventually(seconds: 10) { mounted.serverID == nil && mounted.supervisorID == nil })
    #expect(!mounted.isMounted)
    #expect(try read(mounted.source.appending("file")).hasPrefix("mapped\0"))
  }

  /// What is mounted inside of the mount itself is not looked at by a server that has just begun.
  @Test(.mountsHandleFS) func doesNotLookIntoItsOwnMount() throws {
    let mounted = try Mounted(.ext4, ["--cross-mounts", "--cache-timeout", "0"])
    let other = try Volume(.ext4, megabytes: 8)
    for name in ["own", "inner"] {
      try FileManager.default.createDirectory(
        atPath: mounted.source.appending(name).string, withIntermediateDirectories: true)
    }
    let own = mounted.source.appending("own")
    try succeed("mount", "--bind", mounted.mountpoint.string, own.string)
    defer { umount2(own.string, Int32(MNT_DETACH)) }
    let inner = own.appending("inner")
    #expect(try mounted.run(["mount", "--bind", other.path.string, inner.string]).status == 0)
    defer { umount2(inner.string, Int32(MNT_DETACH)) }
    try mounted.waitForNewServer(after: mounted.killServer())
    #expect(try mounted.run(["ls", mounted.mountpoint.string], seconds: 20).status == 0)
  }

  /// The next server knows what is mounted inside of a directory that was renamed.
  @Test(.mountsHandleFS) func aSourceIsRenamed() throws {
    let mounted = try Mounted(.ext4, ["--cross-mounts", "--cache-timeout", "0"])
    let other = try Volume(.ext4, megabytes: 8)
    try write("text", to: other.path.appending("file"))
    let inner = try Mount(["--bind", other.path.string], at: mounted.source.appending("inner"))
    let file = try mounted.hold("inner/file")
    let moved = FilePath("\(mounted.source)-moved")
    try rename(mounted.source, to: moved)
    // So that everything is unmounted by its path.
    defer { try? rename(moved, to: mounted.source) }
    try mounted.waitForNewServer(after: mounted.killServer())
    // Asks the server for an open file, and not by its name.
    #expect(file.ask("stat") == "links 1, size 4")
    file.kill()
    withExtendedLifetime(inner) {}
  }

  /// Nor at another filesystem by way of one that is stuck.
  @Test(.mountsHandleFS) func doesNotWaitForAnotherMount() throws {
    let (mounted, other) = (try Mounted(.ext4), try Volume(.ext4, megabytes: 8))
    let place = try TemporaryDirectory()
    let inner = place.appending("inner")
    try FileManager.default.createDirectory(
      atPath: inner.string, withIntermediateDirectories: true)
    try succeed("mount", "--bind", other.path.string, inner.string)
    defer { umount2(inner.string, Int32(MNT_DETACH)) }
    let stuck = try Child("mountload", ["stuck", place.path.string])
    defer {
      stuck.kill()
      umount2(place.path.string, Int32(MNT_DETACH))
    }
    #expect(stuck.line(seconds: 20) == "mounted")
    try other.unmount()
    try mounted.waitForNewServer(after: mounted.killServer())
    #expect(try mounted.run(["ls", mounted.mountpoint.string], seconds: 20).status == 0)
  }
}
