import Foundation
import Glibc
import SystemPackage
import TestSupport
import Testing

/// The store is damaged under the server: the supervisor has it repaired, and the mount goes on.
@Suite struct StoreDamageTests {
  enum Damage: CaseIterable {
    /// Every page but the meta pages is overwritten, and the server killed.
    case noise
    /// The file is cut to nothing: whoever reads the server's map gets SIGBUS.
    case cut
  }

  @Test(.mountsHandleFS, arguments: [VolumeKind.ext4, .btrfs], Damage.allCases)
  func theMountGoesOn(_ kind: VolumeKind, _ damage: Damage) throws {
    let mounted = try Mounted(kind)
    let fill = #"cd "$0" && for i in $(seq 100); do echo $i >file-$i; done; printf text >held"#
    #expect(try mounted.run(["sh", "-c", fill, mounted.mountpoint.string]).status == 0)
    let held = try mounted.hold("held")
    let server = try #require(mounted.serverID)
    try inflict(damage, on: mounted.store.appending("data.mdb"))
    if damage == .noise { try mounted.killServer() }
    let all = try mounted.run(["sh", "-c", "cd \"$0\" && cat file-*", mounted.mountpoint.string])
    #expect(all.status == 0 && all.output.split(separator: "\n").count == 100, "\(all.errors)")
    #expect(held.ask("read") == "has text")
    #expect(try mounted.run(["touch", "\(mounted.mountpoint)/new"]).status == 0)
    #expect(mounted.serverID != server)
    #expect(mounted.log.contains("the store is repaired"), "\(mounted.log)")
    held.kill()
    try mounted.unmount()
    let kept = try FileManager.default.contentsOfDirectory(
      atPath: mounted.store.appending("set-aside").string)
    #expect(kept.count == 1)
    let checked = try run([product("handlestore"), "check", mounted.store.string])
    #expect(checked.status == 0, "\(checked.output)")
  }

  private func inflict(_ damage: Damage, on data: FilePath) throws {
    let file = try FileDescriptor.open(data, .readWrite)
    defer { try? file.close() }
    guard damage == .noise else { return try file.resize(to: 0) }
    let size = Int(try file.seek(offset: 0, from: .end))
    try file.writeAll(
      toAbsoluteOffset: 8192, Array(repeating: 0xa5, count: min(size, 4 << 20) - 8192))
  }

  /// Two on one directory could not be told from each other.
  @Test(.mountsHandleFS) func nothingIsMountedOverAMount() throws {
    let mounted = try Mounted(.ext4)
    let other = mounted.store.removingLastComponent().appending("other")
    let result = try mounted.run(
      [try #require(Mounted.program), mounted.source.string, mounted.mountpoint.string]
        + ["--store", other.string])
    #expect(result.status != 0)
    #expect(result.errors.contains("unmount that first"), "\(result.errors)")
    #expect(!FileManager.default.fileExists(atPath: other.string))
    #expect(try mounted.run(["touch", "\(mounted.mountpoint)/file"]).status == 0)
  }
}
