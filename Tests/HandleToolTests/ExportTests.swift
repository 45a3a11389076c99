import Foundation
import HandleStore
import SystemPackage
import TestSupport
import Testing

@Suite(.opensHandles) struct ExportTests {
  private func layers(_ export: JSONObject) throws -> [JSONObject] {
    try #require(export.members["layers"] as? [[String: Any]]).map { JSONObject(members: $0) }
  }

  @Test func addListRemove() throws {
    let place = try ExportedDirectory()
    let root = place.inside.string
    let added = try output(of: "export", "add", place.store, "tree", root)
    #expect(added.contains("export   tree\n"))
    #expect(added.contains("access   read-write\n"))
    #expect(added.contains("root     2\n"))
    #expect(added.contains("layer 0  \(root) (filesystem 1, kernel)\n"))
    let listed = try output(of: "export", "list", place.store)
    #expect(listed.contains("export       tree\n"))
    #expect(listed.contains("containment  automatic\n"))
    #expect(listed.contains("layer 0      \(root) (filesystem 1)\n"))
    #expect(try output(of: "export", "remove", place.store, "tree") == "removed  tree\n")
    #expect(try output(of: "export", "list", place.store) == "")
    #expect(try output(of: "export", "list", place.store, "--json") == "")
  }

  @Test func everyOption() throws {
    let place = try ExportedDirectory()
    let added = try figures(
      output(
        of: "export", "add", place.store, "tree", place.inside.string, "--read-only",
        "--containment", "walk", "--id", "C0ffee", "--json"))
    #expect(added.string("export") == "tree")
    #expect(added.string("id") == "00c0ffee")
    #expect(added.string("access") == "read-only")
    #expect(added.number("root") == 2)
    #expect(try layers(added).map { $0.string("containment") } == ["walk"])
    let listed = try figures(output(of: "export", "list", place.store, "--json"))
    #expect(listed.string("id") == "00c0ffee")
    #expect(listed.string("access") == "read-only")
    #expect(listed.string("containment") == "walk")
    let layer = try #require(try layers(listed).first)
    #expect(layer.number("filesystem") == 1)
    #expect(layer.string("root_handle")?.hasPrefix("ino32-gen:") == true)
    #expect(layer.string("path") == place.inside.string)
    #expect(layer.isNull("obstacle"))
  }

  @Test(arguments: Containment.allCases) func eachContainment(_ containment: Containment) throws {
    let place = try ExportedDirectory()
    let root = containment == .wholeFilesystem ? place.volume.path : place.inside
    let added = try output(
      of: "export", "add", place.store, "tree", root.string, "--containment", containment.rawValue)
    #expect(added.contains("(filesystem 1, \(containment.rawValue))"))
  }

  @Test func severalLayers() throws {
    let (place, lower) = try (ExportedDirectory(), ExportedDirectory(.tmpfs))
    let roots = [place.inside.string, lower.inside.string]
    let added = try figures(
      output(of: "export", "add", place.store, "two", roots[0], roots[1], "--json"))
    #expect(try layers(added).map { $0.string("path") } == roots)
    #expect(try layers(added).map { $0.number("filesystem") } == [1, 2])
    // The first is the upper one.
    #expect(
      try place.decoded(place.token("file", export: "two"), export: "two").number("layer") == 0)
    try output(of: "index", place.store, lower.inside.string)
    let file = try NamedFile("directory/one", in: lower.inside)
    let node = try #require(
      try objects(output(of: "dump", place.store, "--filesystem", "2", "--format", "json"))
        .first { $0.string("handle") == file.handle.hexadecimal }?.number("node"))
    let token = try output(of: "token", place.store, "two", "--node", "\(node)")
    let decoded = try place.decoded(String(token.dropLast()), export: "two")
    #expect(decoded.number("layer") == 1)
    #expect(decoded.string("path") == lower.inside.appending("directory/one").string)
  }

  @Test func theRootIsFoundWhereItIs() throws {
    let place = try ExportedDirectory.added()
    try rename(place.inside, to: place.volume.path.appending("moved"))
    let moved = try output(of: "export", "list", place.store)
    #expect(moved.contains("layer 0      \(place.volume.path.appending("moved")) (filesystem 1)"))
    try place.volume.unmount()
    let gone = try output(of: "export", "list", place.store)
    #expect(gone.contains("layer 0      not mounted (filesystem 1)"))
    let json = try figures(output(of: "export", "list", place.store, "--json"))
    #expect(try layers(json).map { $0.string("obstacle") } == ["not mounted"])
    try place.volume.mount(at: "elsewhere")
    try succeed("rm", "-r", place.volume.path.appending("moved").string)
    let removed = try output(of: "export", "list", place.store)
    #expect(removed.contains("layer 0      removed (filesystem 1)"))
  }

  @Test func besideAServer() throws {
    let place = try ExportedDirectory.added()
    let server = try Store(at: FilePath(place.store))
    #expect(try output(of: "export", "list", place.store).contains(place.inside.string))
    for command in [
      ["add", place.store, "more", place.inside.string], ["remove", place.store, "tree"],
    ] {
      let result = try run([Commands.handlestore, "export"] + command)
      #expect(result.status == 3)
      #expect(result.errors.contains("is open for writing by process \(getpid())"))
    }
    try server.close()
  }

  @Test func whatCannotBeAnExport() throws {
    let place = try ExportedDirectory.added()
    let root = place.inside.string
    for (arguments, status, message) in [
      (["tree", root], 2, "the store already has an export with this name or number"),
      (
        ["two", root, place.outside.string], 2,
        "each of its roots must be on a different filesystem"
      ),
      (["", root], 2, "its name must be one line of 1 to 255 bytes"),
      (["a\nb", root], 2, "its name must be one line of 1 to 255 bytes"),
      (["x", root, "--containment", "whole-filesystem"], 4, "choose another one, or none"),
      (["x", "/proc"], 4, "has no file handles that can be opened; use another filesystem"),
      (["x", "/no/such"], 4, "opening /no/such: No such file or directory; name a directory"),
      (["x", root + "/file"], 4, "Not a directory; name a directory"),
    ] as [([String], Int32, String)] {
      let result = try run([Commands.handlestore, "export", "add", place.store] + arguments)
      #expect(result.status == status, "\(arguments)")
      #expect(result.output == "")
      #expect(result.errors.hasPrefix("handlestore: ") && result.errors.contains(message))
    }
    let id = try #require(figures(output(of: "export", "list", place.store, "--json")).string("id"))
    let taken = try handlestore("export", "add", place.store, "x", root, "--id", id)
    #expect(taken.status == 2)
    #expect(try objects(output(of: "export", "list", place.store, "--json")).count == 1)
  }

  @Test func clientsDoNotReachTheKeys() throws {
    let place = try ExportedDirectory()
    for (store, dir) in [
      ("inside/directory/store", "inside"), ("store", "."), ("inside", "inside"),
    ] {
      let path = place.volume.path.appending(store)
      let result = try handlestore(
        "export", "add", path.string, "x", place.volume.path.appending(dir).string)
      #expect(result.status == 2)
      #expect(result.errors.contains("so clients would reach its keys; put it outside"))
      #expect(!FileManager.default.fileExists(atPath: path.appending("state").string))
    }
    // What is mounted below is not in the export.
    let (store, mounted) = (
      place.other, try Mount(["-t", "tmpfs", "tmpfs"], at: place.inside.appending("tmp"))
    )
    try output(
      of: "export", "add", mounted.path.appending("store").string, "x", place.inside.string)
    try output(of: "export", "add", store, "x", place.inside.string)
  }

  @Test func nothingIsMadeForADirectoryThatCannotBe() throws {
    let place = try ExportedDirectory()
    #expect(try handlestore("export", "add", place.store, "x", "/proc").status == 4)
    #expect(!FileManager.default.fileExists(atPath: place.store))
  }

  @Test func aNameThatWouldDisturbATerminal() throws {
    let place = try ExportedDirectory()
    let name = "a\u{1b}[31m"
    let added = try output(of: "export", "add", place.store, name, place.inside.string)
    #expect(added.contains("export   a\\x1b[31m\n"))
    let listed = try output(of: "export", "list", place.store)
    #expect(listed.contains("export       a\\x1b[31m\n"))
    let json = try figures(output(of: "export", "list", place.store, "--json"))
    #expect(json.string("export") == name)
    #expect(try output(of: "export", "remove", place.store, name) == "removed  a\\x1b[31m\n")
  }

  @Test func anExportThatIsNotThere() throws {
    let place = try ExportedDirectory.added()
    for command in [
      ["export", "remove", place.store, "none"], ["token", place.store, "none", "file"],
      ["token", place.store, "none", "--node", "1"], ["decode", place.store, "none", "00"],
    ] {
      let result = try run([Commands.handlestore] + command)
      #expect(result.status == 3)
      #expect(
        result.errors
          == "handlestore: the store has no export none; list them with `handlestore export list`\n"
      )
    }
  }
}
