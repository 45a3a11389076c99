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
    /// The page that lists the tables is lost, which the server notices when it writes.
    case table
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
    if damage == .table {
      #expect(try mounted.run(["touch", "\(mounted.mountpoint)/first"]).status == 0)
    }
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
    let checked = try run([Commands.handlestore, "check", mounted.store.string])
    #expect(checked.status == 0, "\(checked.output)")
  }

  private func inflict(_ damage: Damage, on data: FilePath) throws {
    let file = try FileDescriptor.open(data, .readWrite)
    defer { try? file.close() }
    if damage == .cut { return try file.resize(to: 0) }
    if damage == .table {
      let page = try tablesPage(of: data)
      try file.writeAll(toAbsoluteOffset: Int64(page) * 4096, Array(repeating: 0, count: 4096))
      return
    }
    let size = Int(try file.seek(offset: 0, from: .end))
    try file.writeAll(
      toAbsoluteOffset: 8192, Array(repeating: 0xa5, count: min(size, 4 << 20) - 8192))
  }

  /// Returns the number of the page that lists the tables in the newest commit.
  private func tablesPage(of data: FilePath) throws -> UInt64 {
    let metas = try [UInt8](Data(contentsOf: URL(filePath: data.string)).prefix(8192))
    func word(_ at: Int) -> UInt64 {
      (0..<8).reduce(0) { $0 | UInt64(metas[at + $1]) << UInt64(8 * $1) }
    }
    return word(144) > word(4096 + 144) ? word(128) : word(4096 + 128)
  }

  /// A server that is started later stays with the store with which the mount began.
  @Test(.mountsHandleFS) func anotherStoreInItsPlaceIsLeftAlone() throws {
    let mounted = try Mounted(.ext4)
    let names = (1...60).map { "file-\($0)" }
    for name in names { try write("own", to: mounted.source.appending(name)) }
    #expect(try mounted.run(["ls", "-l", mounted.mountpoint.string]).status == 0)
    let parent = mounted.store.removingLastComponent()
    let (moved, foreign) = (parent.appending("moved"), parent.appending("foreign"))
    try FileManager.default.createDirectory(
      atPath: foreign.string, withIntermediateDirectories: false)
    for name in names { try write("foreign", to: foreign.appending(name)) }
    try succeed("mv", mounted.store.string, moved.string)
    for index in [false, true] {
      if index {
        try succeed(
          Commands.handlestore, "index", mounted.store.string, foreign.string)
      }
      try mounted.killServer()
      let all = try mounted.run(["sh", "-c", "cat \"$0\"/file-*", mounted.mountpoint.string])
      #expect(all.output == String(repeating: "own", count: 60), "\(all.output) \(all.errors)")
      #expect(
        try mounted.run(["sh", "-c", "printf own >\"$0\"", "\(mounted.mountpoint)/file-7"]).status
          == 0)
    }
    for name in names {
      #expect(
        try String(contentsOfFile: foreign.appending(name).string, encoding: .utf8) == "foreign")
    }
    try mounted.unmount()
    let stat = try run([Commands.handlestore, "stat", "--format", "json", mounted.store.string])
    #expect(stat.output.contains("\"nodes\":61,"), "\(stat.output)")
  }

  /// Two on one directory could not be told from each other.
  @Test(.mountsHandleFS) func nothingIsMountedOverAMount() throws {
    let mounted = try Mounted(.ext4)
    let other = mounted.store.removingLastComponent().appending("other")
    let result = try mounted.run(
      [try #require(Mounted.program), mounted.source.string, mounted.mountpoint.string]
        + ["--store", other.string])
    #expect(result.status != 0)
    #expect(result.errors.contains("unmount it first"), "\(result.errors)")
    #expect(!FileManager.default.fileExists(atPath: other.string))
    let link = mounted.store.removingLastComponent().appending("link")
    try succeed("ln", "-s", mounted.mountpoint.string, link.string)
    let again = try mounted.run(
      [try #require(Mounted.program), mounted.source.string, link.string, "--store", other.string])
    #expect(again.errors.contains("unmount it first"), "\(again.errors)")
    #expect(try mounted.run(["touch", "\(mounted.mountpoint)/file"]).status == 0)
  }
}
