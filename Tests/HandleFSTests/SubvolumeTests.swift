import Foundation
import SystemPackage
import TestSupport
import Testing

/// Subvolumes of btrfs.
@Suite struct SubvolumeTests {
  /// Two subvolumes use the same inode numbers. The mount shows each file under a number of its own.
  @Test(.mountsHandleFS) func filesAreToldApart() throws {
    let mounted = try Mounted(.btrfs)
    let (one, two) = (mounted.source.appending("one"), mounted.source.appending("two"))
    try succeed("btrfs", "subvolume", "create", one.string)
    let names = (1...20).map { "file-\($0)" }
    for name in names { try write("one \(name)", to: one.appending(name)) }
    try succeed("ln", one.appending("file-1").string, one.appending("link").string)
    try succeed("btrfs", "subvolume", "snapshot", one.string, two.string)
    for name in names { try write("two \(name)", to: two.appending(name)) }
    let through = mounted.mountpoint
    let command = #"cd "$0"; find . -printf '%i %P\n' | sort -k2; ls -RiU | awk 'NF == 2' | sort"#
    func numbers() throws -> String {
      let result = try mounted.run(["sh", "-c", command, through.string])
      #expect(result.errors == "")
      return result.output
    }
    let before = try numbers()
    let found = before.split(separator: "\n").filter { $0.contains("/") }
    #expect(found.count == 42)
    #expect(Set(found.map { $0.prefix { $0 != " " } }).count == 40)
    // The same by the list of a directory, and by the next server.
    for line in found where !line.contains("link") {
      let (number, name) = (line.prefix { $0 != " " }, line.split(separator: "/").last ?? "")
      #expect(before.contains("\n\(number) \(name)\n"), "\(line)")
    }
    let server = try mounted.killServer()
    try mounted.waitForNewServer(after: server)
    #expect(try numbers() == before)
    // Copied by what goes by the numbers.
    let copy = try TemporaryDirectory()
    let tar = #"tar -C "$0" -c one two | tar -C "$1" -x"#
    #expect(try mounted.run(["sh", "-c", tar, through.string, copy.path.string]).errors == "")
    try succeed("diff", "-r", mounted.source.string, copy.path.string)
  }

  /// A snapshot shows an empty directory without a handle for a nested subvolume. The rest is still listed.
  @Test(.mountsHandleFS, arguments: [false, true])
  func aDirectoryWithAnEntryWithoutAHandleIsListed(_ crossesMounts: Bool) throws {
    let mounted = try Mounted(.btrfs, crossesMounts ? ["--cross-mounts"] : [])
    let (whole, snapshot) = (
      mounted.source.appending("whole"), mounted.source.appending("snapshot")
    )
    try succeed("btrfs", "subvolume", "create", whole.string)
    try succeed("btrfs", "subvolume", "create", whole.appending("deep").string)
    try write("text", to: whole.appending("file"))
    try succeed("btrfs", "subvolume", "snapshot", whole.string, snapshot.string)
    let list = try mounted.run(["ls", mounted.mountpoint.appending("snapshot").string])
    #expect(list.status == 0 && list.output == "deep\nfile\n", "\(list.errors)")
  }

  /// Listing a directory ends, even if its entries are renamed meanwhile.
  @Test(.mountsHandleFS, arguments: shown) func listsEnd(_ kind: VolumeKind) throws {
    let mounted = try Mounted(kind)
    try succeed("sh", "-c", #"cd "$0"; seq 3000 | xargs touch"#, mounted.source.string)
    let seen = try #require(
      Int(try mounted.load("rename-listed", mounted.mountpoint.string, "3000")))
    #expect((3000..<9000).contains(seen))
  }
}
