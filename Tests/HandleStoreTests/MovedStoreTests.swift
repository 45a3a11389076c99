import Foundation
import HandleStore
import SystemPackage
import TestSupport
import Testing

/// A store whose directory is renamed while it is open, and whose files are replaced.
@Suite struct MovedStoreTests {
  private static let attached: FilePath = Synthetic.directory

  /// Another store takes the path of one that is open, and is not touched by it.
  @Test func aMovedStoreLeavesTheNextOneAlone() throws {
    let first = try TestStore()
    let id = try first.store.attach(Self.attached)
    _ = try first.store.registerEach(0..<10, on: id)
    let moved = first.directory.appending("moved")
    try rename(first.path, to: moved)
    let second = try Store(at: first.path)
    let other = try second.attach(Self.attached)
    let nodes = try second.registerEach(0..<20_000, on: other).map(\.node)
    let state = try read(first.path.appending("state"))
    // The map of the second is longer than what the first would cut the file to.
    try first.store.close()
    #expect(try read(first.path.appending("state")) == state)
    for node in nodes { #expect(try second.node(node)?.state == .live) }
    try second.close()
    for path in [first.path, moved] { #expect(try Store.check(at: path).findings == []) }
    let again = try Store(at: moved, options: StoreOptions(readOnly: true))
    #expect(try again.everyNode().count == 10 && again.incarnation == first.store.incarnation)
    try again.close()
  }

  /// A range of ids that is reserved after the move is reserved in the store that moved.
  @Test func idsAreReservedWhereTheStoreIs() throws {
    let directory = try TemporaryDirectory()
    let path = directory.appending("store")
    let moved = directory.appending("moved")
    let child = try Child("storeworker", ["move", path.string, moved.string])
    let highest = try #require(child.line().flatMap { UInt64($0) })
    child.kill()
    #expect(!FileManager.default.fileExists(atPath: path.string), "nothing is made at the old path")
    let store = try Store(at: moved)
    let node = try store.register(
      Synthetic.file(1 << 40), on: store.attach(Self.attached)
    ).node
    #expect(node.rawValue > highest && node.rawValue < 1 << 40)
    try store.close()
  }

  /// A relative path, and another working directory.
  @Test func aRelativePathIsFollowedOnce() throws {
    let directory = try TemporaryDirectory()
    try FileManager.default.createDirectory(
      atPath: directory.appending("elsewhere").string, withIntermediateDirectories: true)
    let child = try Child("storeworker", ["chdir", directory.path.string])
    #expect(child.rest() == "closed\n")
    #expect(child.wait() == 0)
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: directory.appending("elsewhere").string)
        == [])
    let path = directory.appending("store")
    #expect(try read(path.appending("state")).contains("session closed"))
    #expect(try Store.check(at: path).findings == [])
  }

  /// The lock does not depend on any file that can be removed.
  @Test func removingTheFileOfTheWriterLetsNobodyIn() throws {
    let test = try TestStore()
    for name in ["writer", "lock.mdb"] {
      try unlink(test.path.appending(name))
      let child = try Child("storeworker", ["hold", test.path.string])
      #expect(child.rest().contains("open for writing by"))
      child.kill()
    }
    try test.store.close()
  }

  @Test(arguments: ["data.mdb", "state", "lock.mdb", "writer", "exports", "keys"])
  func aSymbolicLinkIsNotFollowed(_ name: String) throws {
    let test = try TestStore()
    let id = try test.store.attach(Self.attached)
    _ = try test.store.registerEach(0..<10, on: id)
    try test.store.close()
    let file = test.path.appending(name)
    let elsewhere = test.directory.appending("elsewhere")
    if FileManager.default.fileExists(atPath: file.string) {
      try rename(file, to: elsewhere)
    } else {
      try write("", to: elsewhere)
    }
    let before = try Data(contentsOf: URL(fileURLWithPath: elsewhere.string))
    try FileManager.default.createSymbolicLink(
      atPath: file.string, withDestinationPath: elsewhere.string)
    let error = #expect(throws: StoreError.self, "\(name)") {
      let store = try Store(at: test.path)
      defer { try? store.close() }
      _ = try store.exports()
      try withDirectory("/dev/shm") { _ = try store.addExport("shm", roots: [$0]) }
    }
    #expect(error?.description.contains("symbolic link") ?? false, "\(String(describing: error))")
    #expect(try Data(contentsOf: URL(fileURLWithPath: elsewhere.string)) == before)
  }
}
