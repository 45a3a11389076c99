import Foundation
import HandleStore
import SystemPackage
import TestSupport
import Testing

@Suite(.opensHandles) struct DumpTests {
  @Test func jsonHasWhatTheStoreHas() throws {
    let place = try Workplace.indexed()
    let nodes = try place.nodes()
    #expect(nodes.count == Workplace.files)
    let store = try Store(at: FilePath(place.store), options: StoreOptions(readOnly: true))
    for object in nodes {
      let id = NodeID(rawValue: try #require(object.number("node")))
      let node = try #require(try store.node(id))
      let inode = store.fileKey(of: node)
      #expect(object.number("generation") == UInt64(store.incarnation))
      #expect(object.number("filesystem") == UInt64(node.filesystem.rawValue))
      #expect(object.number("inode") == inode?.number)
      #expect(object.number("inode_generation") == inode.map { UInt64($0.generation) })
      #expect(object.string("handle_type") == node.handle.type.description)
      #expect(object.number("handle_type_number") == UInt64(node.handle.type.rawValue))
      #expect(object.string("handle") == node.handle.hexadecimal)
      #expect(object.number("length") == UInt64(node.handle.length))
      #expect(object.string("storage") == "inline")
      #expect(object.string("state") == "live")
      #expect(object.number("parent") == node.parent?.rawValue)
      let since = try #require(object.string("since"))
      let date = try #require(ISO8601DateFormatter().date(from: since))
      #expect(UInt32(date.timeIntervalSince1970) == node.since)
    }
    #expect(nodes.first?.isNull("parent") == true)
    try store.close()
  }

  @Test func aNodeThatIsNotWhatWasAskedFor() throws {
    let place = try Workplace.indexed()
    for option in [["--filesystem", "9"], ["--state", "stale"]] {
      let result = try run([Commands.handlestore, "dump", place.store, "--node", "2"] + option)
      #expect(result.status == 1)
      #expect(result.errors.contains("node 2 is live and on filesystem 1"))
    }
  }

  @Test func everyTypeHasItsName() throws {
    let place = try Workplace.indexed()
    let types = Set(try place.nodes().compactMap { $0.string("type") })
    #expect(types == ["regular", "directory", "symlink", "character", "fifo", "socket"])
  }

  @Test func csvHasTheSameColumns() throws {
    let place = try Workplace.indexed()
    let rows = try output(of: "dump", place.store, "--format", "csv").split(separator: "\n").map {
      $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }
    let objects = try place.nodes()
    #expect(rows.count == objects.count + 1)
    #expect(Set(rows[0]) == Set(objects[0].members.keys))
    for (row, object) in zip(rows.dropFirst(), objects) {
      #expect(row.count == rows[0].count)
      for (name, field) in zip(rows[0], row) {
        let value = object.isNull(name) ? "" : "\(try #require(object.members[name]))"
        #expect(field == value, "\(name)")
      }
    }
  }

  @Test func textHasALineANode() throws {
    let place = try Workplace.indexed()
    let lines = try output(of: "dump", place.store).split(separator: "\n")
    #expect(lines.count == Workplace.files + 1)
    #expect(lines[0].hasPrefix("NODE        STATE  TYPE       FS  INODE"))
    #expect(lines[1].hasPrefix("2           live   directory  1   "))
  }

  @Test func aLongHandleIsSpilled() throws {
    let volume = try Volume(.overlay)
    try write("text", to: volume.path.appending("file"))
    let store = try TemporaryDirectory()
    let path = store.appending("store").string
    let counts = try figures(output(of: "index", path, volume.path.string, "--json"))
    #expect(counts.number("spilled") == counts.number("created"))
    let nodes = try objects(output(of: "dump", path, "--format", "json"))
    #expect(nodes.count >= 2)
    for node in nodes {
      #expect(node.string("storage") == "spilled")
      #expect(node.string("handle_type") == "overlay")
      #expect(node.string("handle")?.count == node.number("length").map { Int($0) * 2 })
    }
  }

  @Test func filters() throws {
    let place = try Workplace.indexed()
    try unlink(place.path("file"))
    try unlink(place.path("directory/below/hardlink"))
    _ = try handlestore("verify", place.store, "--retire")
    let stale = try place.nodes("--state", "stale")
    #expect(stale.count == 1)
    #expect(stale[0].string("state") == "stale")
    #expect(try place.nodes("--state", "live").count == Workplace.files - 1)
    #expect(try place.nodes("--filesystem", "1").count == Workplace.files)
    #expect(try place.nodes("--filesystem", "2").isEmpty)
    let one = try place.nodes("--node", "3")
    #expect(one.map { $0.number("node") } == [3])
  }

  @Test func anUnknownNode() throws {
    let place = try Workplace.indexed()
    let result = try handlestore("dump", place.store, "--node", "4711")
    #expect(result.status == 1)
    #expect(result.errors.contains("handlestore: there is no node 4711"))
  }

  @Test func worksWhileAnotherProcessWrites() throws {
    let place = try Workplace.indexed()
    let store = try Store(at: FilePath(place.store))
    #expect(try place.nodes().count == Workplace.files)
    try store.close()
  }

  @Test(arguments: ["text", "json", "csv"]) func aReaderMayLeaveEarly(_ format: String) throws {
    let directory = try TemporaryDirectory()
    let path = directory.appending("store")
    let store = try Store(at: path)
    let filesystem = try withDirectory(Synthetic.directory) { try store.attach($0) }
    // More than a pipe holds.
    _ = try store.register(
      batch: (1...20_000).map { Synthetic.file($0) }, on: filesystem)
    try store.close()
    let script = "set -o pipefail; '\(Commands.handlestore)' dump \(path) --format \(format)"
    let result = try run("bash", "-c", script + " | head -1")
    #expect(result.status == 0)
    #expect(result.errors == "")
    #expect(result.output.split(separator: "\n").count == 1)
  }

  @Test func aFullDiskIsSaid() throws {
    let place = try Workplace.indexed()
    let script = "'\(Commands.handlestore)' dump '\(place.store)' > /dev/full"
    let result = try run("sh", "-c", script)
    #expect(result.status == 4)
    #expect(result.errors.contains("writing the output: No space left on device"))
  }
}
