import Foundation
import HandleStore
import SystemPackage
import TestSupport
import Testing

@Suite(.opensHandles) struct VerifyTests {
  @Test func aSoundStore() throws {
    let place = try Workplace.indexed()
    let counts = try figures(output(of: "verify", place.store, "--json"))
    #expect(counts.number("present") == UInt64(Workplace.files))
    #expect(counts.number("stale") == 0)
    #expect(counts.number("not_checked") == 0)
  }

  @Test func staleNodesAreNamedAndLeft() throws {
    let place = try Workplace.indexed()
    let node = try place.node("directory/one")
    try unlink(place.path("directory/one"))
    let result = try handlestore("verify", place.store)
    #expect(result.status == 1)
    #expect(result.output.contains("stale: node \(node) (regular, inode "))
    #expect(try place.nodes("--state", "stale").isEmpty)
    let lines = try objects(handlestore("verify", place.store, "--json").output)
    #expect(lines.count == 2)
    #expect(lines[0].number("node") == UInt64(node))
    #expect(lines[0].string("finding") == "stale")
    #expect(lines[1].number("present") == UInt64(Workplace.files) - 1)
    #expect(lines[1].number("stale") == 1)
    #expect(lines[1].number("retired") == 0)
  }

  @Test func staleNodesAreRetired() throws {
    let place = try Workplace.indexed()
    let node = try place.node("directory/one")
    try unlink(place.path("directory/one"))
    let result = try handlestore("verify", place.store, "--retire", "--json")
    #expect(result.status == 1)
    #expect(try figures(result.output).number("retired") == 1)
    let stale = try place.nodes("--state", "stale")
    #expect(stale.compactMap { $0.number("node") } == [UInt64(node)])
    let again = try figures(output(of: "verify", place.store, "--retire", "--json"))
    #expect(again.number("stale_before") == 1)
  }

  @Test func whatIsNotMountedIsNotStale() throws {
    let place = try Workplace.indexed()
    let volume = try Volume(.ext4, megabytes: 8)
    try output(of: "index", place.store, volume.path.string)
    try volume.unmount()
    let counts = try figures(output(of: "verify", place.store, "--retire", "--json"))
    #expect(counts.number("not_checked") == 2)
    #expect(counts.number("stale") == 0)
    #expect(try place.nodes("--state", "stale").isEmpty)
  }
}

@Suite(.opensHandles) struct PruneTests {
  /// A store with some stale nodes.
  private func stale(_ count: Int) throws -> Workplace {
    let place = try Workplace.indexed()
    for i in 0..<count { try unlink(place.path("directory/below/number-\(i)")) }
    _ = try handlestore("verify", place.store, "--retire")
    return place
  }

  @Test func byAge() throws {
    let place = try stale(3)
    #expect(try output(of: "prune", place.store, "--older-than", "1h") == "dropped  0\n")
    #expect(try output(of: "prune", place.store, "--older-than", "0s") == "dropped  3\n")
    #expect(try place.nodes().count == Workplace.files - 3)
  }

  @Test func byNumber() throws {
    let place = try stale(5)
    let newest = try place.nodes("--state", "stale").compactMap { $0.number("node") }.suffix(2)
    let text = try output(of: "prune", place.store, "--keep", "2", "--json")
    #expect(try figures(text).number("dropped") == 3)
    #expect(try place.nodes("--state", "stale").compactMap { $0.number("node") } == Array(newest))
    #expect(try place.nodes("--state", "live").count == Workplace.files - 5)
  }

  @Test(arguments: ["7d", "2w", "90s", "15m", "12h"]) func ages(_ age: String) throws {
    let place = try Workplace.indexed()
    #expect(try output(of: "prune", place.store, "--older-than", age) == "dropped  0\n")
  }
}

@Suite(.opensHandles) struct RepairTests {
  private func damage(_ place: Workplace) throws {
    let path = FilePath(place.store).appending("data.mdb").string
    let file = try #require(FileHandle(forUpdatingAtPath: path))
    // Every page but the two that say where the tables are.
    let size = try file.seekToEnd()
    for page in 2..<(size / 4096) {
      try file.seek(toOffset: page * 4096 + 3000)
      try file.write(contentsOf: Data(repeating: 0xa5, count: 600))
    }
    try file.close()
  }

  @Test func aSoundStore() throws {
    let place = try Workplace.indexed()
    let checked = try figures(output(of: "check", place.store, "--json"))
    #expect(checked.flag("sound") == true)
    #expect(checked.number("nodes") == UInt64(Workplace.files))
    #expect(checked.number("findings") == 0)
    let repaired = try figures(output(of: "repair", place.store, "--json"))
    #expect(repaired.number("kept") == UInt64(Workplace.files))
    #expect(repaired.number("set_aside") == 0)
    #expect(try place.nodes().count == Workplace.files)
  }

  @Test func aDamagedStore() throws {
    let place = try Workplace.indexed()
    try damage(place)
    let result = try handlestore("check", place.store)
    #expect(result.status == 1)
    #expect(result.output.hasPrefix("sound") == false)
    #expect(result.output.contains("sound            no"))
    #expect(result.errors.contains("the store is damaged: "))
    #expect(result.errors.contains("handlestore repair"))
    let lines = try objects(handlestore("check", place.store, "--json").output)
    #expect(lines.count >= 2)
    #expect(lines[0].string("finding") != nil)
    #expect(lines.last?.number("findings") == UInt64(lines.count - 1))
    let limited = try handlestore("check", place.store, "--findings", "1", "--json")
    #expect(try objects(limited.output).count == 2)
    let repaired = try handlestore("repair", place.store, "--json")
    #expect(repaired.status == 1)
    let report = try figures(repaired.output)
    #expect(report.number("kept") != nil && report.number("set_aside") != nil)
    let original = try #require(report.string("original"))
    #expect(FileManager.default.fileExists(atPath: original))
    try output(of: "check", place.store)
  }

  @Test func aBackupIsAStore() throws {
    let place = try Workplace.indexed()
    let writer = try Store(at: FilePath(place.store))
    let copy = place.directory.appending("copy").string
    #expect(try output(of: "backup", place.store, copy).contains("copied to  \(copy)"))
    try writer.close()
    let nodes = try output(of: "dump", copy, "--format", "json")
    #expect(try nodes == output(of: "dump", place.store, "--format", "json"))
    #expect(try figures(output(of: "check", copy, "--json")).flag("sound") == true)
    let again = try handlestore("backup", place.store, copy)
    #expect(again.status == 4)
    #expect(again.errors.contains("handlestore: "))
  }
}

@Suite(.opensHandles) struct StatTests {
  @Test func watches() throws {
    let place = try Workplace.indexed()
    let node = NodeID(rawValue: try #require(try UInt64(place.node("directory/one"))))
    let other = NodeID(rawValue: try #require(try UInt64(place.node("file"))))
    let store = try Store(at: FilePath(place.store))
    for (i, mask) in [WatchMask.modify, .deleteSelf].enumerated() {
      let watcher = WatcherID(rawValue: UInt64(i))
      try store.watch(node, mask: mask, by: watcher)
    }
    try store.watch(other, mask: .modify, by: WatcherID(rawValue: 1))
    try store.retire(other)
    try store.close()
    for command in [["stat", place.store, "--format", "json"], ["check", place.store, "--json"]] {
      let printed = try run([Commands.handlestore] + command).output
      let figures = try figures(printed)
      #expect(figures.number("watches") == 3 && figures.number("limbo") == 1, "\(command)")
    }
    let rows = try place.nodes()
    #expect(rows.count { !$0.isNull("watch_mask") } == 2)
    #expect(rows.first { $0.number("node") == node.rawValue }?.number("watch_mask") == 0x402)
    #expect(try output(of: "prune", place.store, "--older-than", "0s") == "dropped  0\n")
  }

  @Test func counts() throws {
    let place = try Workplace.indexed()
    let stat = try figures(output(of: "stat", place.store, "--format", "json"))
    #expect(stat.number("nodes") == UInt64(Workplace.files))
    #expect(stat.number("stale") == 0)
    let filesystems = try #require(stat.members["filesystems"] as? [[String: Any]])
    #expect(filesystems.count == 1)
    #expect(filesystems[0]["mounted"] as? Bool == true)
    let groups = try #require(stat.members["groups"] as? [[String: Any]])
    #expect(groups.map { $0["nodes"] as? Int } == [Workplace.files])
    let text = try output(of: "stat", place.store)
    #expect(text.contains("mounted      yes"))
    #expect(text.contains("FILESYSTEM  HANDLE TYPE"))
  }
}
