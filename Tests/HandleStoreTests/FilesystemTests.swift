import Foundation
import HandleStore
import SystemPackage
import TestSupport
import Testing

/// Real trees on real filesystems.
@Suite(.mounts) struct FilesystemTests {
  /// A store, a volume with a tree, and the nodes of everything in it.
  final class Fixture {
    let volume: Volume
    let test: TestStore
    let filesystem: FilesystemID
    let files: [NamedFile]
    let nodes: [NodeID]
    var store: Store { test.store }

    init(_ kind: VolumeKind) throws {
      volume = try Volume(kind)
      if let lower = volume.lower {
        try volume.unmount()
        try volume.mount()
        try write("from below", to: lower.appending("lower-file"))
      }
      try makeTree(in: volume.path)
      test = try TestStore()
      filesystem = try test.store.attach(volume.path)
      files = try TestSupport.files(below: volume.path)
      nodes = try test.store.register(batch: files.map(\.found), on: filesystem).map(\.node)
    }

    func node(_ name: String) throws -> NodeID {
      nodes[try #require(files.firstIndex { $0.name == name })]
    }

    /// Every node opens the file that it was registered for.
    func expectAllOpen(_ where: SourceLocation = #_sourceLocation) throws {
      for (file, node) in zip(files, nodes) {
        let status = try store.status(node)
        #expect(status.inode == file.status.inode, "\(file.name)", sourceLocation: `where`)
        #expect(status.type == file.status.type, "\(file.name)", sourceLocation: `where`)
        guard file.status.type == .regular else { continue }
        let expected = try read(volume.path.appending(file.name))
        #expect(try store.contents(node) == expected, "\(file.name)", sourceLocation: `where`)
      }
    }
  }

  @Test(arguments: VolumeKind.allCases) func findsAndOpensEveryType(_ kind: VolumeKind) throws {
    let fixture = try Fixture(kind)
    let (store, files) = (fixture.store, fixture.files)
    let types = Set(files.map(\.status.type))
    #expect(types.count == 6, "the tree has a file of every type but a block device")
    try fixture.expectAllOpen()
    for (file, id) in zip(files, fixture.nodes) {
      let node = try #require(try store.node(id))
      #expect(node.handle == file.handle && node.type == file.status.type && node.state == .live)
      #expect(node.handle.isSpilled == (file.handle.length > 24))
      #expect(try store.node(of: file.handle, on: fixture.filesystem)?.id == id)
      let again = try store.register(file.handle, status: file.status, on: fixture.filesystem)
      #expect(again.node == id && again.outcome == .existing)
      #expect(again.generation == store.incarnation)
    }
    if kind == .overlay { #expect(files.allSatisfy { $0.handle.length == 32 }) }
  }

  /// However the directory is open that introduces it.
  @Test(arguments: VolumeKind.allCases) func everyDescriptorNamesTheSameFilesystem(
    _ kind: VolumeKind
  ) throws {
    let fixture = try Fixture(kind)
    // O_PATH
    let path = try FileDescriptor.open(
      fixture.volume.path, .readOnly, options: .init(rawValue: 0o10000000))
    let found = try path.closeAfter { try fixture.store.attach(path) }
    #expect(found == fixture.filesystem)
    #expect(fixture.store.knownFilesystems().count == 1)
  }

  @Test(arguments: VolumeKind.allCases) func aHardLinkIsTheSameNode(_ kind: VolumeKind) throws {
    let fixture = try Fixture(kind)
    #expect(try fixture.node("file") == fixture.node("directory/below/hardlink"))
    #expect(Set(fixture.nodes).count == fixture.files.count - 1)
  }

  @Test(arguments: VolumeKind.allCases) func onlyFilesAndDirectoriesAreOpened(
    _ kind: VolumeKind
  ) throws {
    let fixture = try Fixture(kind)
    for name in ["fifo", "device", "socket", "symlink"] {
      let node = try fixture.node(name)
      let type = try #require(try fixture.store.node(node)).type
      for mode in [OpenMode.readOnly, .writeOnly, .readWrite] {
        #expect(throws: StoreError.notOpenable(node, type)) {
          try fixture.store.open(node, as: mode)
        }
      }
    }
    let file = try fixture.store.open(try fixture.node("file"), as: .readWrite)
    try file.closeAfter { _ = try file.writeAll("written".utf8) }
    #expect(try read(fixture.volume.path.appending("file")).hasPrefix("written"))
  }

  @Test(arguments: VolumeKind.allCases) func opensWhatWasRenamedAndMoved(_ kind: VolumeKind) throws
  {
    let fixture = try Fixture(kind)
    let (root, store) = (fixture.volume.path, fixture.store)
    try rename(root.appending("file"), to: root.appending("renamed"))
    try rename(root.appending("directory/below/two"), to: root.appending("two-moved"))
    try rename(root.appending("directory/below"), to: root.appending("below-moved"))
    #expect(try store.contents(fixture.node("file")) == "contents of file")
    #expect(
      try store.contents(fixture.node("directory/below/two")) == "contents of directory/below/two")
    #expect(try store.contents(fixture.node("directory/below/number-7")) == "number 7")
    #expect(try store.status(fixture.node("directory/below")).type == .directory)
    for (name, old) in [("renamed", "file"), ("two-moved", "directory/below/two")] {
      let again = try store.register(name, in: root, on: fixture.filesystem)
      #expect(try again.node == fixture.node(old) && again.outcome == .existing)
    }
  }

  @Test(arguments: [VolumeKind.ext4, .xfs, .btrfs])
  func aConnectableHandleFindsTheSameNode(_ kind: VolumeKind) throws {
    let fixture = try Fixture(kind)
    let plain = try NamedFile("directory/one", in: fixture.volume.path)
    let connectable = try withDirectory(fixture.volume.path) {
      try KernelFileHandle(resolving: "directory/one", in: $0, connectable: true)
    }
    let node = try fixture.node("directory/one")
    #expect(connectable != plain.handle)
    #expect(try fixture.store.node(of: connectable, on: fixture.filesystem)?.id == node)
    let again = try fixture.store.register(
      connectable, status: plain.status, on: fixture.filesystem)
    #expect(again.node == node && again.outcome == .existing)

    // The other way round, and opened by it.
    try write("connectable first", to: fixture.volume.path.appending("new"))
    let file = try NamedFile("new", in: fixture.volume.path)
    let first = try withDirectory(fixture.volume.path) {
      try fixture.store.register(
        KernelFileHandle(name: "new", in: $0, connectable: true), status: file.status,
        on: fixture.filesystem)
    }
    #expect(try fixture.store.node(of: file.handle, on: fixture.filesystem)?.id == first.node)
    #expect(try fixture.store.contents(first.node) == "connectable first")
  }

  @Test(arguments: VolumeKind.allCases) func anUnlinkedFileIsStaleAndRetired(
    _ kind: VolumeKind
  ) throws {
    let fixture = try Fixture(kind)
    let store = fixture.store
    let node = try fixture.node("directory/one")
    try unlink(fixture.volume.path.appending("directory/one"))
    #expect(throws: StoreError.stale(node)) { try store.open(node) }
    #expect(try store.node(node)?.state == .stale)
    #expect(store.statistics.retired == 1)
    #expect(throws: StoreError.stale(node)) { try store.open(node, as: .readOnly) }
    #expect(store.statistics.retired == 1 && store.statistics.errors[.stale] == 2)
    #expect(try store.contents(fixture.node("directory/below/two")).hasSuffix("two"))
    let other = try fixture.node("file")
    try unlink(fixture.volume.path.appending("file"))
    #expect(try store.contents(other) == "contents of file", "it has another name")
  }

  @Test(arguments: VolumeKind.allCases.filter(\.lasts))
  func findsEverythingAfterARemountElsewhere(_ kind: VolumeKind) throws {
    let fixture = try Fixture(kind)
    try fixture.store.close()
    try fixture.volume.remountElsewhere()
    try fixture.test.reopen()
    let node = try fixture.node("file")
    #expect(throws: StoreError.notAttached(fixture.filesystem)) { try fixture.store.open(node) }
    #expect(try fixture.store.attach(fixture.volume.path) == fixture.filesystem)
    #expect(fixture.store.knownFilesystems().count == 1)
    try fixture.expectAllOpen()
    for (file, id) in zip(try files(below: fixture.volume.path), fixture.nodes) {
      let again = try fixture.store.register(
        file.handle, status: file.status, on: fixture.filesystem)
      #expect(again.node == id && again.outcome == .existing)
    }
  }

  @Test(arguments: VolumeKind.allCases.filter(\.lasts))
  func attachesWhatIsMounted(_ kind: VolumeKind) throws {
    let fixture = try Fixture(kind)
    try fixture.store.close()
    try fixture.volume.remountElsewhere()
    try fixture.test.reopen()
    #expect(try fixture.store.attachMounted() == [fixture.filesystem])
    #expect(fixture.store.knownFilesystems().map(\.isAttached) == [true])
    try fixture.expectAllOpen()
    fixture.store.detach(fixture.filesystem)
    let node = try fixture.node("file")
    #expect(throws: StoreError.notAttached(fixture.filesystem)) { try fixture.store.open(node) }
    try fixture.volume.unmount()
  }
}
