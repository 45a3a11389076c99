import Foundation
import Glibc
import SystemPackage
import TestSupport
import Testing

/// Mounts that share a store begin and end.
@Suite(.serialized) struct SharingMountTests {
  /// A mount goes on when the other is unmounted, whichever has the store open, and the other may come
  /// back.
  @Test(.mountsHandleFS) func eitherMayBeUnmounted() throws {
    let first = try Mounted(.ext4)
    let second = try Mounted(sharing: first, source: first.volume.path.appending("other"))
    #expect(second.figure("pid") == first.serverID.map(Int.init))
    let load = try KillTests.Load(on: second, KillTests.loads)
    let file = try second.hold("held", creating: "text")
    try unlink(second.source.appending("held"))
    let handle = try second.handleText(["names"])
    for _ in 1...2 {
      try first.unmount()
      #expect(
        eventually(seconds: 20) {
          second.figure("mounts") == 1 && second.figure("pid") == second.serverID.map(Int.init)
        })
      try first.mount()
      #expect(first.figure("pid") == second.serverID.map(Int.init))
      #expect(second.figure("mounts") == 2)
      try first.perform("echo >file; rm file")
      try #require(load.ended.isEmpty, "\(load.ended)\n\(second.log.suffix(2000))")
    }
    // The guest goes; then all.
    try first.unmount()
    #expect(eventually(seconds: 20) { second.figure("mounts") == 1 })
    #expect(try second.handleText(["names"]) == handle)
    #expect(file.ask("read") == "has text")
    let failures = try load.finish()
    #expect(failures.isEmpty, "\(failures.joined(separator: "\n"))")
    file.kill()
    try second.expectHealth()
    let left = try FileManager.default.contentsOfDirectory(atPath: "/run/handlefs")
    let number = try FileManager.default.attributesOfItem(atPath: first.store.string)[
      .systemFileNumber]
    #expect(!left.contains { $0.contains("-\(number ?? "").") }, "\(left)")
  }

  /// The last mount removes what the mounts share, and does not take it away from one that begins.
  @Test(.mountsHandleFS) func oneEndsWhileAnotherBegins() throws {
    let first = try Mounted(.ext4)
    try write("store left", to: first.fault)
    kill(try #require(first.supervisorID), SIGTERM)
    #expect(first.isFaultReached)
    let release = try Child(["sh", "-c", #"sleep 0.5; : >"$0""#, first.fault.string])
    let second = try Mounted(sharing: first)
    #expect(release.wait(seconds: 5) == 0)
    #expect(eventually(seconds: 10) { first.supervisorID == nil })
    let third = try Mounted(sharing: first)
    #expect(third.figure("mounts") == 2)
    #expect(third.figure("pid") == second.serverID.map(Int.init))
  }

  /// Mounts that begin at the same time, as by `mount -a`, agree on who has the store open.
  @Test(.mountsHandleFS) func mayBeginAtTheSameTime() throws {
    let first = try Mounted(.ext4)
    try first.unmount()
    let places = try (0..<4).map { _ in try TemporaryDirectory() }
    let program = try #require(Mounted.program)
    for _ in 1...3 * soak {
      let commands = try places.map { place in
        try Child([program, first.source.string, place.path.string, "--store", first.store.string])
      }
      for command in commands { #expect(command.wait(seconds: 30) == 0) }
      for place in places {
        #expect(try first.run(["touch", place.appending("file").string]).status == 0)
      }
      let umounts = try places.map { try Child(["umount", $0.path.string]) }
      for umount in umounts { #expect(umount.wait(seconds: 30) == 0) }
    }
    // Nobody serves a mount that is gone, though the store is gone too.
    try? FileManager.default.removeItem(atPath: first.store.string)
    #expect(
      eventually(seconds: 20) {
        places.allSatisfy { (try? run(["pgrep", "-f", $0.path.string]))?.status == 1 }
      })
  }
}
