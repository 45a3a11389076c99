import Foundation
import Glibc
import HandleStore
import SystemPackage
import TestSupport
import Testing

/// Files that were moved inside an export, and that the kernel has forgotten since.
@Suite(.mounts) struct MoveTests {
  /// What the server tells the store is enough, on every filesystem.
  @Test(arguments: Kept.all) func aMoveThatIsToldIsFollowed(_ kept: Kept) throws {
    let exported = try kept.make()
    let token = try exported.token("directory/one")
    try exported.move("directory/one", to: "directory/below/moved")
    try exported.forgetAll()
    #expect(try exported.export.contents(token) == "contents of directory/one")
    try exported.move("directory/below/moved", to: "again")
    try exported.forgetAll()
    #expect(try exported.export.contents(token) == "contents of directory/one")
    // A move out is not recorded, and a record of one is not believed.
    try TestSupport.rename(
      exported.inside.appending("again"), to: exported.outside.appending("again"))
    let node = try #require(try exported.store.node(of: exported.handle("outside/again")))
    _ = try exported.store.recordMove(
      of: exported.found("outside/again"), on: exported.filesystem,
      into: exported.node("outside"))
    try exported.forgetAll()
    #expect(throws: refused(.outside)) { try exported.export.status(token) }
    #expect(throws: refused(.outside)) { try exported.export.open(.node(node.id), as: .readOnly) }
  }

  /// A file is found by any of its names, whichever of them was removed.
  @Test(arguments: Kept.all) func eachNameThatIsToldIsKnown(_ kept: Kept) throws {
    let exported = try kept.make()
    let places = ["", "directory/", "directory/below/"]
    let files = places.indices.map { "file-\($0)" }
    var tokens: [Token] = []
    for file in files {
      try TestSupport.write(file, to: exported.inside.appending(file))
      tokens.append(try exported.token(file))
      for place in places.dropFirst() {
        try link(exported.inside.appending(file), to: exported.inside.appending(place + file))
        try exported.recordMove(place + file)
      }
    }
    // Each keeps another one of its names.
    for (i, file) in files.enumerated() {
      for (k, place) in places.enumerated() where i != k {
        try unlink(exported.inside.appending(place + file))
      }
    }
    try exported.forgetAll()
    for (token, file) in zip(tokens, files) { #expect(try exported.export.contents(token) == file) }
    // And is outside when that one is not inside.
    for (place, file) in zip(places, files) {
      try TestSupport.rename(
        exported.inside.appending(place + file), to: exported.outside.appending(file))
    }
    try exported.forgetAll()
    for token in tokens {
      #expect(throws: refused(.outside)) { try exported.export.status(token) }
    }
    #expect(try exported.closed().findings == [])
  }

  /// A lookup by another name is enough to know that.
  @Test func eachNameThatIsLookedUpIsKnown() throws {
    let exported = try Exported(.ext4)
    let token = try exported.token("directory/one")
    try link(
      exported.inside.appending("directory/one"), to: exported.inside.appending("directory/below/x")
    )
    #expect(try exported.entry("directory/below/x")?.registration.outcome == .existing)
    let commits = exported.store.statistics.writeSizes.count
    _ = try exported.entry("directory/below/x")
    #expect(exported.store.statistics.writeSizes.count == commits)
    try unlink(exported.inside.appending("directory/one"))
    try exported.forgetAll()
    #expect(try exported.export.contents(token) == "contents of directory/one")
    // With one name left, the others are forgotten.
    _ = try exported.entry("directory/below/x")
    #expect(try exported.closed().findings == [])
  }

  /// A filesystem that keeps names with its files is asked: nobody has to tell.
  @Test(arguments: [VolumeKind.btrfs, .xfs], [Containment.kernel, .walk, .cached])
  func aMoveBehindTheServerIsFound(_ kind: VolumeKind, _ containment: Containment) throws {
    let exported = try Exported(kind, containment, keepsParents: kind == .xfs)
    let (moved, linked) = (try exported.token("directory/one"), try exported.token("linked"))
    let (inside, outside) = (exported.inside, exported.outside)
    try TestSupport.rename(
      inside.appending("directory/one"), to: inside.appending("directory/below/moved"))
    try TestSupport.rename(inside.appending("directory"), to: inside.appending("elsewhere"))
    // More names outside than a node of the filesystem's tree holds, and one inside.
    let long = String(repeating: "n", count: 200)
    for i in 0..<400 { try link(inside.appending("linked"), to: outside.appending("\(long)\(i)")) }
    try link(inside.appending("linked"), to: inside.appending("elsewhere/below/other"))
    try unlink(inside.appending("linked"))
    try exported.forgetAll()
    #expect(try exported.export.contents(moved) == "contents of directory/one")
    #expect(try exported.export.contents(linked) == "linked")
    try unlink(inside.appending("elsewhere/below/other"))
    try TestSupport.rename(
      inside.appending("elsewhere/below/moved"), to: outside.appending("moved"))
    for cold in [false, true] {
      if cold { try exported.forgetAll() }
      for token in [moved, linked] {
        #expect(throws: refused(.outside)) { try exported.export.status(token) }
      }
    }
    try TestSupport.rename(outside, to: inside.appending("outside"))
    try exported.forgetAll()
    #expect(try exported.export.contents(moved) == "contents of directory/one")
    #expect(try exported.export.contents(linked) == "linked")
    try TestSupport.rename(inside.appending("outside"), to: outside)
  }

  /// In a subvolume, where the numbers are those of other files outside of it.
  @Test(arguments: [Containment.kernel, .walk])
  func aMoveInASubvolumeIsFound(_ containment: Containment) throws {
    let exported = try Exported(.btrfs, containment)
    let subvolume = exported.inside.appending("subvolume")
    try succeed("btrfs", "subvolume", "create", subvolume.string)
    try makeDirectory(subvolume.appending("a/b"))
    try TestSupport.write("in it", to: subvolume.appending("a/file"))
    let token = try exported.token(outside: "inside/subvolume/a/file")
    #expect(try exported.export.contents(token) == "in it")
    try TestSupport.rename(subvolume.appending("a/file"), to: subvolume.appending("a/b/file"))
    try exported.forgetAll()
    #expect(try exported.export.contents(token) == "in it")
    try TestSupport.rename(subvolume, to: exported.outside.appending("subvolume"))
    try exported.forgetAll()
    #expect(throws: refused(.outside)) { try exported.export.status(token) }
  }

  /// Places outlive the store's closing, and a repair.
  @Test func placesAreKept() throws {
    let exported = try Exported(.ext4)
    let token = try exported.token("directory/one")
    try link(exported.inside.appending("directory/one"), to: exported.inside.appending("new"))
    try exported.recordMove("new")
    try unlink(exported.inside.appending("directory/one"))
    exported.letGo()
    try exported.store.close()
    let report = try Store.repair(at: exported.test.path)
    #expect(report.kept > 0)
    #expect(try Store.check(at: exported.test.path).findings == [])
    let store = try Store(at: exported.test.path)
    try store.attach(exported.volume.path)
    let export = try store.openExport("tree")
    try exported.forgetAll()
    #expect(try export.contents(token) == "contents of directory/one")
  }

  /// What the store does not know is no error.
  @Test func aMoveOfAFileThatIsNotKnown() throws {
    let exported = try Exported(.ext4)
    let root = exported.export.root
    let found = try exported.found("inside/file")
    #expect(try exported.store.recordMove(of: found, on: exported.filesystem, into: root) == nil)
    let node = try #require(try exported.entry("file")).node
    for _ in 0..<2 {
      #expect(try exported.store.recordMove(of: found, on: exported.filesystem, into: root) == node)
    }
    let other = FilesystemID(rawValue: 99)
    #expect(throws: StoreError.unknownFilesystem(other)) {
      try exported.store.recordMove(of: found, on: other, into: root)
    }
  }
}

extension Exported {
  fileprivate func found(_ path: FilePath) throws -> FoundFile {
    try withDirectory(volume.path) { try FoundFile(resolving: path, in: $0) }
  }

  fileprivate func handle(_ path: FilePath) throws -> KernelFileHandle { try found(path).handle }

  fileprivate func node(_ path: String) throws -> NodeID {
    try store.register(path, in: volume.path, on: filesystem).node
  }

  /// Makes the kernel forget the names of files that are on the disk.
  fileprivate func forgetAll() throws {
    try succeed("sync", "-f", volume.path.string)
    // What was used lately is not forgotten at once.
    for _ in 0..<3 { try dropCaches() }
  }

  /// What a check of the store says after it was closed.
  fileprivate func closed() throws -> CheckReport {
    letGo()
    try store.close()
    return try Store.check(at: test.path)
  }

  /// Tells the store that a file has a name now, as a server does.
  fileprivate func recordMove(_ name: String) throws {
    let directory = name.split(separator: "/").dropLast().joined(separator: "/")
    let node = try #require(try entry(directory)).node
    #expect(
      try store.recordMove(of: found(FilePath("inside/\(name)")), on: filesystem, into: node) != nil
    )
  }

  fileprivate func move(_ old: String, to new: String) throws {
    try TestSupport.rename(inside.appending(old), to: inside.appending(new))
    try recordMove(new)
  }
}

extension Store {
  fileprivate func node(of handle: KernelFileHandle) throws -> Node? {
    for filesystem in knownFilesystems() {
      if let node = try node(of: handle, on: filesystem.id) { return node }
    }
    return nil
  }
}
