import Foundation
import Glibc
import HandleStore
import SystemPackage
import TestSupport
import Testing

/// Where a server has little left, or a client does odd things.
@Suite(.mounts) struct EdgeTests {
  /// A directory so deep that its path is longer than the kernel tells one, made by relative names.
  private func deepDirectory(in root: FilePath, depth: Int) throws {
    let script = """
      import os, sys
      os.chdir(sys.argv[1])
      for _ in range(int(sys.argv[2])):
          os.mkdir("deeper"); os.chdir("deeper")
      open("file", "w").write("deep")
      """
    try succeed("python3", "-c", script, root.string, "\(depth)")
  }

  @Test(arguments: [Containment.kernel, .cached, .walk])
  func aDeepDirectoryNeedsFewDescriptors(_ containment: Containment) throws {
    let exported = try Exported(.ext4, containment)
    try deepDirectory(in: exported.inside, depth: 300)
    var entry = try #require(try exported.entry("deeper"))
    for _ in 1..<300 {
      entry = try #require(try exported.export.lookup("deeper", in: .node(entry.node)))
    }
    let file = try #require(try exported.export.lookup("file", in: .node(entry.node)))
    var limits = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limits)
    #expect(limits.rlim_cur >= 64)
    #expect(try exported.export.contents(file.token) == "deep")
    try dropCaches()
    #expect(try exported.export.contents(file.token) == "deep")
    try TestSupport.rename(
      exported.inside.appending("deeper"), to: exported.outside.appending("deeper"))
    for token in [entry.token, file.token] {
      #expect(throws: refused(.outside)) { try exported.export.status(token) }
    }
    try succeed("rm", "-rf", exported.outside.appending("deeper").string)
  }

  /// With any number of descriptors left, a good token passes or the want of them is said.
  @Test(arguments: [Containment.kernel, .cached, .walk])
  func noDescriptorsIsNotOutside(_ containment: Containment) throws {
    let place = try TemporaryDirectory()
    let volume = try Volume(.ext4)
    try makeDirectory(volume.path.appending("tree/directory"))
    try TestSupport.write("text", to: volume.path.appending("tree/directory/file"))
    let child = try Child(
      "storeworker",
      [
        "starve", place.appending("store").string, volume.path.appending("tree").string,
        containment.rawValue,
      ])
    let lines = child.rest().split(separator: "\n").map(String.init)
    #expect(lines.last == "done", "\(lines)")
    #expect(!lines.contains { $0.hasPrefix("wrong") }, "\(lines)")
    #expect(lines.contains { $0.hasSuffix("passed") } && lines.contains { $0.hasSuffix("starved") })
  }

  @Test(arguments: [Containment.kernel, .cached, .walk])
  func aRootThatWasRemovedIsStale(_ containment: Containment) throws {
    let exported = try Exported(.ext4, containment)
    let token = try exported.token("file")
    try succeed("rm", "-rf", exported.inside.string)
    #expect(throws: refused(.stale)) { try exported.export.status(token) }
    #expect(throws: refused(.stale)) { try exported.export.lookup("x", in: .node(.root)) }
  }

  @Test func aFileWithoutANameMayGetOne() throws {
    let exported = try Exported(.ext4)
    let path = exported.inside.string
    let fd = Glibc.open(path, 0o20200000 | O_RDWR, 0o600)  // O_TMPFILE
    try #require(fd >= 0)
    let file = FileDescriptor(rawValue: fd)
    let found = try FoundFile(of: file)
    let node = try exported.store.register(found, on: exported.filesystem).node
    let token = try exported.export.token(for: node)
    #expect(throws: refused(.stale)) { try exported.export.status(token) }
    #expect(try exported.store.node(node)?.state == .live)
    let linked = linkat(AT_FDCWD, "/proc/self/fd/\(fd)", AT_FDCWD, path + "/named", 0x400)
    #expect(linked == 0)
    #expect(try exported.export.status(token).inode == found.status.inode)
    try file.close()
  }

  @Test(arguments: [VolumeKind.ext4, .xfs, .btrfs, .tmpfs])
  func theDirectoryAboveAFileIsAnswered(_ kind: VolumeKind) throws {
    let exported = try Exported(kind)
    let directory = try #require(try exported.entry("directory"))
    let file = try #require(try exported.entry("directory/one"))
    #expect(try exported.export.lookup("..", in: .token(file.token))?.node == directory.node)
    let top = try #require(try exported.entry("file"))
    #expect(try exported.export.lookup("..", in: .node(top.node))?.node == exported.export.root)
  }

  @Test func aNewFileAsAPathIsAPath() throws {
    let exported = try Exported(.ext4)
    let new = try exported.export.createOrOpen(
      "new", in: .node(.root), as: .path, permissions: 0o600)
    #expect(new.wasCreated)
    let file = try #require(new.descriptor)
    #expect(fcntl(file.rawValue, F_GETFL) & 0o10000000 != 0)
    try file.close()
  }

  @Test func aStoreDoesNotLieInItsExport() throws {
    let volume = try Volume(.ext4)
    try makeDirectory(volume.path.appending("tree/below"))
    let store = try Store(at: volume.path.appending("tree/below/store"))
    for root in ["tree", "tree/below", "", "tree/below/store"] {
      let path = root.isEmpty ? volume.path : volume.path.appending(root)
      for containment in [Containment.kernel, .walk] {
        #expect(throws: StoreError.self, "\(root)") {
          try withDirectory(path) {
            try store.addExport("all", roots: [$0], containment: containment)
          }
        }
      }
    }
    #expect(try store.exports().isEmpty)
    try makeDirectory(volume.path.appending("other"))
    _ = try withDirectory(volume.path.appending("other")) {
      try store.addExport("other", roots: [$0])
    }
    try store.close()
  }

  @Test func namesOfExportsAreBytes() throws {
    let exported = try Exported(.ext4)
    let names = ["\u{301}x", "a\u{301} \u{301}b", "\u{e1}", "a\u{301}", "layer 1 2 3", "\u{2028}"]
    for name in names {
      _ = try withDirectory(exported.inside) { try exported.store.addExport(name, roots: [$0]) }
    }
    #expect(
      try exported.store.exports().map { Array($0.name.utf8) }.dropFirst()
        == names.map { Array($0.utf8) }[...])
    for name in names {
      #expect(try exported.store.openExport(name).record.name.utf8.elementsEqual(name.utf8))
    }
    for name in ["", " x", "a\nb", "a\r\nb", "\0", "tree", String(repeating: "x", count: 256)] {
      #expect(throws: StoreError.self, "\(name.debugDescription)") {
        try withDirectory(exported.inside) { try exported.store.addExport(name, roots: [$0]) }
      }
    }
    for name in names { try exported.store.removeExport(name) }
    #expect(try exported.store.exports().map(\.name) == ["tree"])
    #expect(throws: StoreError.noExport("none")) { try exported.store.removeExport("none") }
  }

  /// More renames than the queue holds, and more than are taken out of it at once.
  @Test(arguments: [1000, 20_000]) func aLostQueueForgetsEverything(_ events: Int) throws {
    let exported = try Exported(.tmpfs, .cached)
    let token = try exported.token("linked")
    #expect(try exported.export.contents(token) == "linked")
    try unlink(exported.inside.appending("linked"))
    let script = """
      import os, sys
      os.chdir(sys.argv[1])
      for i in range(int(sys.argv[2])):
          open(str(i), "w").close(); os.rename(str(i), "../inside/" + str(i))
      """
    try succeed("python3", "-c", script, exported.outside.string, "\(events)")
    for _ in 0..<(events / 200) {
      #expect(throws: refused(.outside)) { try exported.export.contents(token) }
    }
    _ = try exported.export.status(exported.token("file"))
  }
}
