import Foundation
import SystemPackage
import TestSupport
import Testing

/// What programs read.
@Suite(.opensHandles) struct OutputTests {
  /// Names that text shows otherwise than they are.
  @Test(arguments: ["a\nb", "tab\there", #"back\x0aslash"#, "\u{7f}\u{9b}", #"quo"te"#])
  func aPathIsGivenBack(_ name: String) throws {
    let place = try Workplace()
    try write("text", to: place.path(name))
    try output(of: "index", place.store, place.tree)
    let opened = try figures(
      output(of: "open", place.store, place.node(name), "--json"))
    #expect(opened.string("path") == place.path(name).string)
    #expect(opened.isNull("obstacle") && opened.members["path_bytes"] == nil)
    let text = try output(of: "open", place.store, place.node(name))
    #expect(text.split(separator: "\n").allSatisfy { $0.contains("  ") }, "a figure a line")
  }

  @Test func anExportsPathIsGivenBack() throws {
    let place = try Workplace()
    let root = place.path("one\ntwo")
    try FileManager.default.createDirectory(
      atPath: root.string, withIntermediateDirectories: true)
    try output(of: "export", "add", place.store, "e", root.string)
    let listed = try figures(output(of: "export", "list", place.store, "--json"))
    let layers = try #require(listed.members["layers"] as? [[String: Any]])
    #expect(layers.map { $0["path"] as? String } == [root.string])
  }

  @Test func whyThereIsNoPath() throws {
    let place = try Workplace.indexed()
    let node = try place.node("directory/one")
    let held = try FileDescriptor.open(place.path("directory/one"), .readOnly)
    defer { try? held.close() }
    try unlink(place.path("directory/one"))
    let opened = try figures(output(of: "open", place.store, node, "--json"))
    #expect(opened.isNull("path"))
    #expect(opened.string("obstacle")?.contains("unlinked") == true)
  }

  @Test func aBackupNamesTheDiskThatIsFull() throws {
    let place = try Workplace.indexed()
    let volume = try Volume(.tmpfs, megabytes: 1)
    try write(
      String(repeating: "x", count: 1_048_576 - 24_576), to: volume.path.appending("ballast"))
    let copy = volume.path.appending("copy")
    let result = try handlestore("backup", place.store, copy.string)
    #expect(result.status == 4)
    #expect(result.errors.contains("the disk of \(copy) is full"), "\(result.errors)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: volume.path.string) == ["ballast"])
  }

  /// The making of a store for which there was no room: there is none, whoever asks.
  @Test func aStoreThatWasNeverFinished() throws {
    let place = try Workplace()
    let volume = try Volume(.tmpfs, megabytes: 16)
    // Room for two small files.
    try write(
      String(repeating: "x", count: (16 << 20) - 12_288), to: volume.path.appending("ballast"))
    let store = volume.path.appending("store").string
    #expect(try handlestore("index", store, place.tree).status == 4)
    try #require(FileManager.default.fileExists(atPath: "\(store)/state"))
    for command in ["stat", "check", "dump", "verify", "repair"] {
      let result = try handlestore(command, store)
      #expect(result.status == 3, "\(command)")
      #expect(result.errors.contains("there is no store at"), "\(command): \(result.errors)")
    }
    try unlink(volume.path.appending("ballast"))
    try output(of: "index", store, place.tree)
    try output(of: "check", store)
  }
}
