import Foundation
import Glibc
import SystemPackage
import TestSupport
import Testing

/// The server that is started ahead of time.
@Suite struct StandbyTests {
  private func standby(_ mounted: Mounted, after old: pid_t? = nil) throws -> pid_t {
    var found: pid_t?
    _ = eventually(seconds: 10) {
      found = mounted.standbyID
      return found != nil && found != old && isNamed(found, "handlefs-next")
    }
    return try #require(found, "no server was started ahead of time: \(mounted.log)")
  }

  private func isNamed(_ process: pid_t?, _ name: String) -> Bool {
    (try? read(FilePath("/proc/\(process ?? 0)/comm"))) == "\(name)\n"
  }

  @Test(.mountsHandleFS) func takesThePlaceOfTheServer() throws {
    let mounted = try Mounted(.ext4)
    let file = try mounted.hold("file", creating: "text")
    for _ in 0..<3 {
      let next = try standby(mounted)
      try mounted.waitForNewServer(after: mounted.killServer())
      #expect(mounted.serverID == next && isNamed(next, "handlefs-serve"))
      #expect(file.ask("read") == "has text")
    }
    file.kill()
    try mounted.unmount()
  }

  /// It is missed by nobody.
  @Test(.mountsHandleFS) func mayBeKilled() throws {
    let mounted = try Mounted(.ext4)
    try write("text", to: mounted.source.appending("file"))
    let next = try standby(mounted)
    kill(next, SIGKILL)
    #expect(eventually(seconds: 10) { mounted.standbyID == nil })
    let look = ["cat", mounted.mountpoint.appending("file").string]
    #expect(try mounted.run(look).output == "text")
    try mounted.waitForNewServer(after: mounted.killServer())
    #expect(try mounted.run(look).output == "text")
    #expect(try standby(mounted) != next)
  }

  /// Both are gone, so a third one is started.
  @Test(.mountsHandleFS) func mayBeKilledTogetherWithTheServer() throws {
    let mounted = try Mounted(.ext4)
    let file = try mounted.hold("file", creating: "text")
    for _ in 0..<5 {
      let next = try standby(mounted)
      let server = try mounted.killServer()
      kill(next, SIGKILL)
      #expect(file.ask("read") == "has text")
      // The kernel reads by itself, and a process takes a while to end.
      #expect(
        eventually(seconds: 10) {
          mounted.serverID.map { $0 != server && $0 != next } ?? false
        })
    }
    file.kill()
    try mounted.unmount()
  }

  /// If the server crashes, its store is checked first, and a server that is told so is started.
  @Test(.mountsHandleFS) func leavesItsPlaceAfterACrash() throws {
    let mounted = try Mounted(.ext4)
    let file = try mounted.hold("file", creating: "text")
    let next = try standby(mounted)
    kill(try #require(mounted.serverID), SIGSEGV)
    #expect(file.ask("read") == "has text")
    #expect(try mounted.run(["ls", mounted.mountpoint.string]).output == "file\n")
    #expect(mounted.serverID != next)
    #expect(try standby(mounted) != next)
    file.kill()
    try mounted.unmount()
  }

  /// If it is stopped when it is needed, it is replaced as any server is.
  @Test(.mountsHandleFS) func mayBeStopped() throws {
    let mounted = try Mounted(.ext4, ["--watchdog", "1"])
    try write("text", to: mounted.source.appending("file"))
    try stop(standby(mounted))
    try mounted.killServer()
    let look = ["cat", mounted.mountpoint.appending("file").string]
    #expect(try mounted.run(look, seconds: 30).output == "text")
  }

  /// It ends with its supervisor, also if it is stopped: as long as it holds the connection to the kernel,
  /// the mount would seem to be served. (The kernel has a stopped process go on when its parent ends, if it is
  /// in a process group of its own.)
  @Test(.mountsHandleFS) func doesNotOutliveTheMount() throws {
    let mounted = try Mounted(.ext4)
    let next = try standby(mounted)
    let supervisor = try #require(mounted.supervisorID)
    for process in [next, supervisor] { try stop(process) }
    try mounted.killServer()
    kill(supervisor, SIGKILL)
    let isOver = try eventually(seconds: 10) {
      try mounted.run(["ls", mounted.mountpoint.string]).errors.contains("not connected")
    }
    #expect(isOver, "\(mounted.log)")
    #expect(eventually(seconds: 10) { kill(next, 0) != 0 })
  }

  /// The next supervisor has one of its own.
  @Test(.mountsHandleFS) func endsWithItsSupervisor() throws {
    let mounted = try Mounted(.ext4)
    let next = try standby(mounted)
    _ = try mounted.waitForNewSupervisor(after: mounted.killSupervisor())
    #expect(eventually(seconds: 10) { kill(next, 0) != 0 })
    #expect(try standby(mounted, after: next) != next)
    try mounted.unmount()
  }
}
