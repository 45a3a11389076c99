import Foundation
import Glibc
import SystemPackage
import TestSupport
import Testing

/// How a mount is started, and how it ends, as it is usual: by the command, in the background.
@Suite struct LifecycleTests {
  /// The command returns when the filesystem is served; umount(8) ends both processes.
  @Test(.mountsHandleFS, arguments: ["auto", "on", "off"])
  func servesInTheBackground(_ passthrough: String) throws {
    let mounted = try Mounted(.ext4)
    try mounted.unmount()
    try write("text", to: mounted.source.appending("file"))
    let result = try mounted.mountInBackground(["--passthrough", passthrough])
    #expect(result.status == 0 && result.output == "", "\(result.errors)")
    #expect(mounted.isMounted && mounted.serverID != nil && mounted.supervisorID != nil)
    let file = try mounted.hold("file")
    #expect(file.ask("read") == "has text")
    #expect(try mounted.status()["files_kept_by_kernel"] == (passthrough == "off" ? 0 : 1))
    try mounted.waitForNewServer(after: mounted.killServer())
    #expect(file.ask("read") == "has text")
    #expect(try mounted.run(["umount", mounted.mountpoint.string]).status != 0)
    file.kill()
    try mounted.endByUnmounting()
  }

  /// It may be mounted again as soon as umount(8) has returned, though the last server may not have ended.
  @Test(.mountsHandleFS) func canBeMountedAgainAtOnce() throws {
    let mounted = try Mounted(.ext4)
    try mounted.unmount()
    #expect(try mounted.mountInBackground().status == 0)
    let server = try #require(mounted.serverID)
    try stop(server)
    #expect(umount2(mounted.mountpoint.string, Int32(MNT_DETACH)) == 0)
    let again = try Child(
      [try #require(Mounted.program), mounted.source.string, mounted.mountpoint.string]
        + ["--store", mounted.store.string])
    usleep(300_000)
    kill(server, SIGCONT)
    #expect(again.wait(seconds: 10) == 0, "\(again.rest())")
    #expect(mounted.isMounted)
    try mounted.endByUnmounting()
  }

  /// Nothing is left if the store is removed as soon as umount(8) has returned.
  @Test(.mountsHandleFS) func endsThoughItsStoreIsGone() throws {
    let mounted = try Mounted(.ext4)
    let server = try #require(mounted.serverID)
    try stop(server)
    #expect(umount2(mounted.mountpoint.string, Int32(MNT_DETACH)) == 0)
    try FileManager.default.removeItem(atPath: mounted.store.string)
    kill(server, SIGCONT)
    #expect(
      eventually(seconds: 10) { mounted.serverID == nil && mounted.supervisorID == nil },
      "\(mounted.log.suffix(1000))")
  }

  /// Standard input, output and error may be closed.
  @Test(.mountsHandleFS) func startsWithoutStandardDescriptors() throws {
    let mounted = try Mounted(.ext4)
    try mounted.unmount()
    try write("text", to: mounted.source.appending("file"))
    let closing = ["sh", "-c", #"exec "$0" "$@" <&- >&- 2>&-"#]
    #expect(try mounted.mountInBackground(by: closing).status == 0)
    for _ in 0..<2 {
      #expect(try mounted.run(["cat", "\(mounted.mountpoint)/file"]).output == "text")
      #expect(try mounted.run(["touch", "\(mounted.mountpoint)/new"]).status == 0)
      #expect(try mounted.status()["pid"] == mounted.serverID.map(Int.init))
      try mounted.waitForNewServer(after: mounted.killServer())
    }
    try mounted.endByUnmounting()
  }

  /// A symbolic link to the directory does for it, for each of the commands.
  @Test(.mountsHandleFS) func mountpointMayBeALink() throws {
    let mounted = try Mounted(.ext4)
    try mounted.unmount()
    try write("text", to: mounted.source.appending("file"))
    let link = mounted.volume.path.appending("link")
    try FileManager.default.createSymbolicLink(
      atPath: link.string, withDestinationPath: mounted.mountpoint.string)
    let result = try mounted.mountInBackground(mountpoint: link)
    #expect(result.status == 0, "\(result.errors)")
    #expect(mounted.isMounted)
    #expect(try mounted.run(["cat", "\(link)/file"]).output == "text")
    let program = try #require(Mounted.program)
    for command in ["status", "restart"] {
      let answer = try mounted.run([program, command, link.string])
      #expect(answer.status == 0, "\(command): \(answer.errors)")
    }
    #expect(try mounted.run(["cat", "\(link)/file"]).output == "text")
    try mounted.unmount()
  }

  /// Who says it twice is not heard twice: what is in use is served to its last user.
  @Test(.mountsHandleFS) func secondSignalChangesNothing() throws {
    let mounted = try Mounted(.ext4)
    let file = try mounted.hold("file", creating: "text")
    let supervisor = try #require(mounted.supervisorID)
    for _ in 0..<3 {
      kill(supervisor, SIGTERM)
      #expect(eventually(seconds: 5) { !mounted.isMounted })
      #expect(file.ask("read") == "has text")
    }
    for _ in 0..<2 {
      try mounted.waitForNewServer(after: mounted.killServer())
      #expect(file.ask("read") == "has text")
      #expect(file.ask("stat") == "links 1, size 4")
    }
    #expect(mounted.supervisorID == supervisor)
    file.kill()
    #expect(eventually(seconds: 10) { mounted.serverID == nil && mounted.supervisorID == nil })
  }

  /// However quickly one supervisor after the other is killed.
  @Test(.mountsHandleFS) func supervisorsMayDieQuickly() throws {
    let mounted = try Mounted(.ext4)
    let file = try mounted.hold("file", creating: "text")
    let server = mounted.serverID
    for _ in 0..<3 {
      _ = try mounted.waitForNewSupervisor(after: mounted.killSupervisor())
      #expect(try mounted.run(["ls", mounted.mountpoint.string]).output == "file\n")
    }
    #expect(mounted.serverID == server)
    try mounted.waitForNewServer(after: mounted.killServer())
    #expect(file.ask("read") == "has text")
    #expect(try mounted.status()["opens"] == 1)
    file.kill()
    try mounted.unmount()
  }

  /// A supervisor that finds its server dead starts the next one.
  @Test(.mountsHandleFS) func serverMayDieBeforeItIsAdopted() throws {
    let mounted = try Mounted(.ext4)
    let file = try mounted.hold("file", creating: "text")
    let supervisor = try mounted.waitForNewSupervisor(after: mounted.killSupervisor())
    try stop(supervisor)
    let server = try mounted.killServer()
    #expect(eventually(seconds: 5) { access("/proc/\(server)", F_OK) != 0 })
    kill(supervisor, SIGCONT)
    try mounted.waitForNewServer(after: server)
    #expect(file.ask("read") == "has text")
    #expect(mounted.supervisorID == supervisor)
    file.kill()
    try mounted.unmount()
  }
}

extension Mounted {
  /// Mounts it by the command as a user gives it, which returns when all is done.
  ///
  /// - Parameters:
  ///   - options: more arguments.
  ///   - command: what runs the program that follows.
  ///   - mountpoint: where it is to be mounted.
  ///   - store: the store, if not the usual one.
  func mountInBackground(
    _ options: [String] = [], by command: [String] = [], mountpoint: FilePath? = nil,
    store: FilePath? = nil
  ) throws -> CommandResult {
    try run(
      command + [try #require(Self.program), source.string]
        + [(mountpoint ?? self.mountpoint).string, "--store", (store ?? self.store).string]
        + options, seconds: 20)
  }

  /// Unmounts it by umount(8), and waits until its processes have ended.
  fileprivate func endByUnmounting(_ location: SourceLocation = #_sourceLocation) throws {
    let result = try run(["umount", mountpoint.string])
    #expect(result.status == 0, "\(result.errors)", sourceLocation: location)
    #expect(!isMounted, sourceLocation: location)
    #expect(
      eventually(seconds: 10) { self.serverID == nil && self.supervisorID == nil },
      sourceLocation: location)
  }
}
