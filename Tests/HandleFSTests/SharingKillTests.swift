import Foundation
import Glibc
import SystemPackage
import TestSupport
import Testing

/// The processes of mounts that share a store are killed or replaced.
@Suite(.serialized) struct SharingKillTests {
  /// The mounts work on, whichever of the processes is killed.
  @Test(.mountsHandleFS, arguments: [["--passthrough", "auto"], ["--passthrough", "off"]])
  func nothingNoticesKills(_ options: [String]) throws {
    let seed = seed(usually: 3)
    var random = SeededGenerator(seed: seed)
    let first = try Mounted(.ext4, options, megabytes: 768)
    let second = try Mounted(sharing: first, options)
    let loads = [
      try KillTests.Load(on: first, KillTests.loads + ["tar"], prefix: "a-"),
      try KillTests.Load(on: second, KillTests.loads, prefix: "b-"),
    ]
    for round in 1...12 * soak {
      usleep(.random(in: 20_000..<300_000, using: &random))
      let victim = round % 2 == 0 ? first : second
      if round % 4 == 3 {
        // While no server runs, the supervisor is the only one that has files without a name.
        #expect(eventually(seconds: 20) { victim.figure("mounts") == 2 })
        _ = try victim.waitForNewSupervisor(after: victim.killSupervisor())
      } else {
        try victim.waitForNewServer(after: victim.killServer())
      }
      let ended = loads.flatMap(\.ended)
      try #require(
        ended.isEmpty,
        "seed \(seed): \(ended)\n\(first.log.suffix(2000))\n\(second.log.suffix(2000))")
    }
    let failures = try loads.flatMap { try $0.finish() }
    #expect(failures.isEmpty, "seed \(seed): \(failures.joined(separator: "\n"))")
    try second.unmount()
    try first.expectHealth()
  }

  /// All processes of one mount are killed together: the other takes the store.
  @Test(.mountsHandleFS) func outlivesTheOtherMount() throws {
    let first = try Mounted(.ext4)
    let second = try Mounted(sharing: first)
    let file = try second.hold("file", creating: "text")
    let (server, supervisor) = (try #require(first.serverID), try #require(first.supervisorID))
    // The server first: the end of its parent would wake it, and it would start another one.
    try stop(supervisor)
    kill(server, SIGKILL)
    kill(supervisor, SIGKILL)
    #expect(
      eventually(seconds: 20) { second.figure("pid") == second.serverID.map(Int.init) },
      "\(first.log)\(second.log)")
    #expect(file.ask("read") == "has text")
    try second.perform("echo >new; rm new")
    #expect(umount2(first.mountpoint.string, Int32(MNT_DETACH)) == 0)
    try first.mount()
    try first.expectSoon("cat file", "text")
    file.kill()
  }

  /// If a guest is replaced while the host begins to serve its mount, only one of the two begins.
  @Test(.mountsHandleFS) func nothingIsServedTwice() throws {
    let first = try Mounted(.ext4)
    let second = try Mounted(sharing: first)
    let file = try second.hold("file", creating: "text")
    try write("guest mounted", to: first.fault)
    try first.waitForNewServer(after: first.killServer())
    #expect(first.isFaultReached)
    try second.waitForNewServer(after: second.killServer())
    usleep(300_000)
    #expect(!(first.figure("mounts").map { $0 > 1 } ?? true), "a second thread serves the mount")
    try write("", to: first.fault)
    #expect(eventually(seconds: 20) { first.figure("mounts") == 2 })
    #expect(file.ask("read") == "has text")
    file.kill()
  }

  /// A mount is replaced by its own command, and the other goes on.
  @Test(.mountsHandleFS) func eitherMayBeRestarted() throws {
    let first = try Mounted(.ext4)
    let second = try Mounted(sharing: first)
    let load = try KillTests.Load(on: second, ["names", "append", "unlinked"])
    let program = try #require(Mounted.program)
    for _ in 1...3 {
      for mounted in [first, second] {
        let before = (mounted.serverID, mounted.figure("pid"))
        let answer = try mounted.run([program, "restart", mounted.mountpoint.string], seconds: 30)
        #expect(answer.status == 0, "\(answer.errors)")
        #expect(mounted.serverID != before.0)
        #expect(eventually(seconds: 20) { mounted.figure("pid") != before.1 })
      }
      try #require(load.ended.isEmpty, "\(load.ended)\n\(second.log.suffix(2000))")
    }
    let failures = try load.finish()
    #expect(failures.isEmpty, "\(failures.joined(separator: "\n"))")
  }

  /// A guest's new supervisor gets what is parked, though the host has it.
  @Test(.mountsHandleFS) func parksInTheNextSupervisor() throws {
    let first = try Mounted(.ext4)
    let second = try Mounted(sharing: first, ["--passthrough", "off"])
    let file = try second.hold("file", creating: "text")
    try second.perform("rm file")
    _ = try second.waitForNewSupervisor(after: second.killSupervisor())
    usleep(1_500_000)
    try first.killServing()
    #expect(file.ask("read") == "has text")
    file.kill()
  }

  /// The host keeps nothing of the supervisors that a guest has had.
  @Test(.mountsHandleFS) func forgetsFormerSupervisors() throws {
    let first = try Mounted(.ext4)
    let second = try Mounted(sharing: first)
    try second.perform("ls")
    _ = try second.waitForNewSupervisor(after: second.killSupervisor())
    #expect(eventually(seconds: 10) { second.log.contains("took over") })
    usleep(300_000)
    let before = first.descriptorsOfServer
    for _ in 1...2 {
      usleep(1_000_000)  // A server starts one supervisor a second.
      _ = try second.waitForNewSupervisor(after: second.killSupervisor())
    }
    usleep(300_000)
    #expect(first.descriptorsOfServer == before)
  }

  /// What the host parks for a guest that has just been killed is not lost.
  @Test(.mountsHandleFS) func parksForAGuestThatIsGone() throws {
    let first = try Mounted(.ext4)
    let second = try Mounted(sharing: first, ["--passthrough", "off"])
    for round in 1...3 {
      let file = try second.hold("file", creating: "text")
      let host = pid_t(try #require(second.figure("pid")))
      try stop(host)
      try second.waitForNewServer(after: second.killServer())
      let removal = try Child(["rm", second.mountpoint.appending("file").string])
      usleep(100_000)
      kill(host, SIGCONT)
      #expect(removal.wait(seconds: 20) == 0)
      #expect(eventually(seconds: 20) { second.figure("pid").map { $0 != Int(host) } ?? false })
      #expect(file.ask("read") == "has text", "round \(round)")
      file.kill()
    }
  }

  /// A damaged store is repaired once, by the mount that has it open, and all mounts go on.
  @Test(.mountsHandleFS, arguments: [false, true])
  func aDamagedStoreIsMendedOnce(_ guestCrashes: Bool) throws {
    let first = try Mounted(.ext4)
    let second = try Mounted(sharing: first)
    try second.perform("for i in $(seq 100); do echo $i >file-$i; done")
    let held = try second.hold("held", creating: "text")
    let data = try FileDescriptor.open(first.store.appending("data.mdb"), .readWrite)
    let size = Int(try data.seek(offset: 0, from: .end))
    try data.writeAll(
      toAbsoluteOffset: 8192, Array(repeating: 0xa5, count: min(size, 4 << 20) - 8192))
    try data.close()
    if guestCrashes {
      kill(try #require(second.serverID), SIGSEGV)
      #expect(eventually(seconds: 20) { first.log.contains("the store is repaired") })
    } else {
      try first.killServing()
    }
    for mounted in [first, second] {
      let all = try mounted.run(["sh", "-c", #"cd "$0" && cat file-*"#, mounted.mountpoint.string])
      #expect(all.status == 0 && all.output.split(separator: "\n").count == 100, "\(all.errors)")
    }
    #expect(held.ask("read") == "has text")
    #expect(first.log.components(separatedBy: "the store is repaired").count == 2, "\(first.log)")
    #expect(!second.log.contains("repair"), "\(second.log)")
    held.kill()
  }
}
