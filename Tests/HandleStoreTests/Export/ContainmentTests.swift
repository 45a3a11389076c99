import Glibc
import HandleStore
import SystemPackage
import TestSupport
import Testing

/// Which files are inside (`..`, moves, links, mounts), on each filesystem and by each way.
@Suite(.mounts) struct ContainmentTests {
  @Test(arguments: Kept.all) func everyFileOfTheTreePasses(_ kept: Kept) throws {
    let exported = try kept.make()
    #expect(exported.export.containments == [kept.containment])
    let names = try files(below: exported.inside)
    let tokens = try names.map { try exported.token($0.name) }
    for cold in [false, true] {
      for (file, token) in zip(names, tokens) {
        if cold { try dropCaches() }
        let status = try exported.export.status(token)
        #expect(status.inode == file.status.inode, "\(file.name)")
      }
    }
    #expect(exported.store.statistics.gateRefusals.isEmpty)
  }

  @Test(arguments: Kept.all) func aFileOutsideDoesNot(_ kept: Kept) throws {
    let exported = try kept.make()
    for name in ["outside/file", "outside", "."] {
      let token = try exported.token(outside: name)
      #expect(throws: refused(.outside), "\(name)") { try exported.export.status(token) }
      try dropCaches()
      #expect(throws: refused(.outside), "\(name)") { try exported.export.status(token) }
    }
    #expect(exported.store.statistics.gateRefusals == [.outside: 6])
  }

  @Test(arguments: Kept.all) func movedOutAndIn(_ kept: Kept) throws {
    let exported = try kept.make()
    let (here, there) = (
      exported.inside.appending("directory"), exported.outside.appending("directory")
    )
    let tokens = try ["directory", "directory/one", "directory/below", "directory/below/two"].map {
      try exported.token($0)
    }
    for cold in [false, true] {
      try TestSupport.rename(here, to: there)
      if cold { try dropCaches() }
      for token in tokens {
        #expect(throws: refused(.outside)) { try exported.export.status(token) }
      }
      try TestSupport.rename(there, to: here)
      if cold { try dropCaches() }
      for token in tokens { _ = try exported.export.status(token) }
    }
  }

  @Test(arguments: Kept.all) func aFileMovedOutAndIn(_ kept: Kept) throws {
    let exported = try kept.make()
    let token = try exported.token("file")
    let (here, there) = (exported.inside.appending("file"), exported.outside.appending("moved"))
    // It has a second name inside, in makeTree.
    try unlink(exported.inside.appending("directory/below/hardlink"))
    for _ in 0..<3 {
      try TestSupport.rename(here, to: there)
      #expect(throws: refused(.outside)) { try exported.export.status(token) }
      try TestSupport.rename(there, to: here)
      #expect(try exported.export.contents(token) == "contents of file")
    }
    // To another place inside, of which the store knows nothing.
    try TestSupport.rename(here, to: exported.inside.appending("directory/other"))
    #expect(try exported.export.contents(token) == "contents of file")
    // What comes in from outside is inside.
    let stranger = try exported.token(outside: "outside/file")
    #expect(throws: refused(.outside)) { try exported.export.status(stranger) }
    try TestSupport.rename(
      exported.outside.appending("file"), to: exported.inside.appending("stranger"))
    _ = try exported.token("stranger")
    #expect(try exported.export.contents(stranger) == "outside")
  }

  @Test(arguments: Kept.all) func aHardLinkIsInsideByAnyName(_ kept: Kept) throws {
    let exported = try kept.make()
    let token = try exported.token("linked")
    for cold in [false, true] {
      if cold { try dropCaches() }
      // The kernel now knows the name outside, and perhaps no other.
      _ = try TestSupport.read(exported.outside.appending("linked"))
      #expect(try exported.export.contents(token) == "linked")
    }
    try unlink(exported.inside.appending("linked"))
    #expect(throws: refused(.outside)) { try exported.export.status(token) }
    try dropCaches()
    #expect(throws: refused(.outside)) { try exported.export.status(token) }
    try link(exported.outside.appending("linked"), to: exported.inside.appending("again"))
    #expect(try exported.entry("again")?.token != nil)
    #expect(try exported.export.contents(token) == "linked")
    // Put in place of by a rename, which is no removal to fanotify.
    try TestSupport.write("other", to: exported.inside.appending("new"))
    try TestSupport.rename(
      exported.inside.appending("new"), to: exported.inside.appending("again"))
    #expect(throws: refused(.outside)) { try exported.export.status(token) }
  }

  @Test(arguments: Kept.all) func theRootIsTheTop(_ kept: Kept) throws {
    let exported = try kept.make()
    let export = exported.export
    let root = try export.lookup(.node(.root))
    #expect(root.node == export.root)
    for name in ["..", "."] as [FilePath] {
      let above = try #require(try export.lookup(name, in: .token(root.token)))
      #expect(above.node == export.root)
    }
    let directory = try #require(try export.lookup("directory", in: .node(.root)))
    #expect(try export.lookup("..", in: .token(directory.token))?.node == export.root)
    // `.` of a file is the file.
    let file = try #require(try export.lookup("file", in: .node(.root)))
    #expect(try export.lookup(".", in: .node(file.node))?.token == file.token)
    for name in ["", "/", "a/b", "../outside", "/etc"] as [FilePath] {
      #expect(throws: StoreError.badName(name)) { try export.lookup(name, in: .node(.root)) }
    }
    #expect(try export.lookup("nothing", in: .node(.root)) == nil)
    #expect(throws: StoreError.system(.notDirectory, "looking up file")) {
      try export.lookup("file", in: .token(file.token))
    }
  }

  @Test(arguments: Kept.all) func exportsLieInEachOther(_ kept: Kept) throws {
    let exported = try kept.make()
    let inner = try withDirectory(exported.inside.appending("directory")) {
      try exported.store.addExport("inner", roots: [$0], containment: kept.containment)
    }
    let node = try #require(try exported.entry("directory/one")).node
    let outerToken = try exported.export.token(for: node)
    let innerToken = try inner.token(for: node)
    _ = try exported.export.status(outerToken)
    _ = try inner.status(innerToken)
    #expect(throws: refused(.export)) { try inner.status(outerToken) }
    #expect(throws: refused(.export)) { try exported.export.status(innerToken) }
    let outer = try #require(try exported.entry("linked")).node
    let outsideOfInner = try inner.token(for: outer)
    #expect(throws: refused(.outside)) { try inner.status(outsideOfInner) }
    #expect(try inner.lookup("..", in: .node(.root))?.node == inner.root)
  }

  @Test(arguments: Kept.all) func aMountPointIsNotCrossed(_ kept: Kept) throws {
    let exported = try kept.make()
    let point = exported.inside.appending("directory/below")
    let number = try exported.token("directory/below/number-1")
    let before = try exported.entry("directory/below")
    let bind = try Mount(["--bind", exported.outside.string], at: point)
    // On a private mount, what is mounted later is not there; else it is refused.
    do {
      #expect(try exported.entry("directory/below")?.status == before?.status)
      #expect(try exported.entry("directory/below/file") == nil)
    } catch let error as StoreError {
      #expect(error == .mountPoint("below"))
    }
    _ = try exported.export.status(number)
    try bind.unmount()
  }

  @Test(arguments: Kept.all) func aSymbolicLinkIsItself(_ kept: Kept) throws {
    let exported = try kept.make()
    try succeed("ln", "-s", "../outside/file", exported.inside.appending("out").string)
    let entry = try #require(try exported.entry("out"))
    #expect(entry.status.type == .symbolicLink)
    let file = try exported.export.open(.token(entry.token), as: .path)
    #expect(try file.closeAfter { try FileStatus(of: file).type } == .symbolicLink)
    #expect {
      try exported.export.open(.token(entry.token), as: .readOnly)
    } throws: {
      ($0 as? StoreError)?.code == .notOpenableHandle
    }
    #expect(throws: StoreError.self) { try exported.export.lookup("x", in: .token(entry.token)) }
  }

  @Test(arguments: Kept.all) func deletedIsStaleThoughSomebodyHasItOpen(_ kept: Kept) throws {
    let exported = try kept.make()
    try TestSupport.write("held", to: exported.inside.appending("held"))
    let token = try exported.token("held")
    let held = try exported.export.open(.token(token), as: .readOnly)
    try unlink(exported.inside.appending("held"))
    #expect(throws: refused(.stale)) { try exported.export.status(token) }
    try held.close()
    #expect(throws: refused(.stale)) { try exported.export.status(token) }
  }

  @Test(arguments: VolumeKind.allCases) func aWholeFilesystemNeedsNoLooking(
    _ kind: VolumeKind
  ) throws {
    let exported = try Exported(kind)
    let whole = try withDirectory(exported.volume.path) {
      try exported.store.addExport("whole", roots: [$0])
    }
    #expect(whole.containments == [.wholeFilesystem])
    let node = try exported.store.register(
      "outside/file", in: exported.volume.path, on: exported.filesystem
    ).node
    let token = try whole.token(for: node)
    try dropCaches()
    #expect(try whole.contents(token) == "outside")
    #expect(try whole.lookup("outside", in: .node(.root)) != nil)
    #expect(throws: StoreError.unavailable(.wholeFilesystem)) {
      try withDirectory(exported.inside) {
        try exported.store.addExport("part", roots: [$0], containment: .wholeFilesystem)
      }
    }
  }

  @Test(arguments: VolumeKind.allCases) func theDefaultIsTheCheapestThatIsExact(
    _ kind: VolumeKind
  ) throws {
    #expect(try Exported(kind).export.containments == [.kernel])
  }
}
