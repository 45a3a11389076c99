import Foundation
import HandleStore
import PostgresNodeIndex
import SystemPackage
import TestSupport
import Testing

/// A filesystem that hosts see under different UUIDs and devices, and to which the administrator gives a name.
@Suite(.serverAndMounts) struct FilesystemNameTests {
  private static let name = "projects"

  /// What two hosts see of a filesystem.
  private struct Hosts {
    let first: Volume
    let second: Volume
    let gateways: Gateways

    init(_ kind: VolumeKind = .ext4) throws {
      first = try Volume(kind)
      try write("text", to: first.path.appending("file"))
      second = try Volume(withOtherIdentity: first)
      gateways = try Gateways()
    }
  }

  @Test(arguments: [VolumeKind.ext4, .xfs]) func aNameMakesItOne(_ kind: VolumeKind) throws {
    let hosts = try Hosts(kind)
    let (a, b) = try (hosts.gateways.open("a"), hosts.gateways.open("b"))
    let filesystem = try a.attach(hosts.first.path, named: Self.name)
    let file = try a.register("file", in: hosts.first.path, on: filesystem)
    #expect(try b.attach(hosts.second.path, named: Self.name) == filesystem)
    let same = try b.register("file", in: hosts.second.path, on: filesystem)
    #expect(same.outcome == .existing && same.node == file.node)
    #expect(try b.contents(file.node) == "text")
    #expect(b.knownFilesystems().map(\.name) == [Self.name])
    for store in [a, b] { try store.close() }
  }

  /// Without a name they are two: this is what the name is for.
  @Test func withoutANameTheyAreTwo() throws {
    let hosts = try Hosts()
    let (a, b) = try (hosts.gateways.open("a"), hosts.gateways.open("b"))
    #expect(try a.attach(hosts.first.path) != b.attach(hosts.second.path))
    for store in [a, b] { try store.close() }
  }

  /// Once a host has attached the filesystem by its name, its processes find it without: among the mounts, by
  /// a directory, and when they open an export.
  @Test func afterwardsAHostKnowsItsMount() throws {
    let hosts = try Hosts()
    let a = try hosts.gateways.open("a")
    let filesystem = try a.attach(hosts.first.path, named: Self.name)
    let file = try a.register("file", in: hosts.first.path, on: filesystem).node
    let root = try FileDescriptor.open(hosts.first.path, .readOnly, options: .directory)
    _ = try root.closeAfter { try a.addExport("export", roots: [root]) }
    try a.close()
    try hosts.first.unmount()

    let before = try Store(shared: hosts.gateways.database)
    #expect(try before.attachMounted() == [])
    #expect(try before.attach(hosts.second.path, named: Self.name) == filesystem)
    try before.close()
    let b = try hosts.gateways.open("b")
    #expect(try b.attach(hosts.second.path, named: Self.name) == filesystem)
    try b.close()
    let reader = try Store(shared: hosts.gateways.database)
    #expect(try reader.attachMounted() == [filesystem])
    #expect(try reader.contents(file) == "text")
    try reader.close()
    let c = try hosts.gateways.open("c")
    _ = try c.openExport("export")
    #expect(try c.attach(hosts.second.path) == filesystem)
    #expect(c.knownFilesystems().count == 1)
    try c.close()
  }

  /// A host that had registered files before it was given the name.
  @Test func aHostThatTookItForAnother() throws {
    let hosts = try Hosts()
    let (a, b) = try (hosts.gateways.open("a"), hosts.gateways.open("b"))
    let filesystem = try a.attach(hosts.first.path)
    let other = try b.attach(hosts.second.path)
    #expect(other != filesystem)
    try b.close()
    #expect(try a.attach(hosts.first.path, named: Self.name) == filesystem)
    let again = try hosts.gateways.open("b")
    #expect(try again.attach(hosts.second.path, named: Self.name) == filesystem)
    try again.close()
    let later = try hosts.gateways.open("b")
    #expect(try later.attach(hosts.second.path) == filesystem)
    for store in [a, later] { try store.close() }
  }

  @Test(arguments: [VolumeKind.ext4, .xfs]) func aWrongFilesystemIsRefused(
    _ kind: VolumeKind
  ) throws {
    let (right, wrong) = (try Volume(kind), try Volume(kind))
    let gateways = try Gateways()
    let (a, b) = try (gateways.open("a"), gateways.open("b"))
    let filesystem = try a.attach(right.path, named: Self.name)
    #expect { try b.attach(wrong.path, named: Self.name) } throws: {
      "\($0)".contains("projects is the name of filesystem \(filesystem), and this is another one")
    }
    #expect(b.knownFilesystems().map(\.id) == [filesystem])
    let other = try b.attach(wrong.path)
    #expect(other != filesystem)
    // Also when the store knows it already.
    #expect(throws: StoreError.self) { try b.attach(wrong.path, named: Self.name) }
    #expect(try b.attach(wrong.path, named: "other") == other)
    #expect { try b.attach(wrong.path, named: "another") } throws: {
      "\($0)".contains("has the name other already")
    }
    #expect(a.knownFilesystems().filter { $0.id == filesystem }.map(\.name) == [Self.name])
    for store in [a, b] { try store.close() }
  }

  /// A filesystem that was made anew is another one, whatever its name.
  @Test func oneThatWasMadeAnewIsRefused() throws {
    let volume = try Volume(.ext4)
    let gateways = try Gateways()
    let a = try gateways.open("a")
    _ = try a.attach(volume.path, named: Self.name)
    try a.close()
    try volume.unmount()
    try succeed("mkfs.ext4", "-F", "-q", volume.image.string)
    try volume.mount()
    let b = try gateways.open("b")
    #expect(throws: StoreError.self) { try b.attach(volume.path, named: Self.name) }
    try b.close()
  }

  /// It cannot be attached twice in one process, through superblocks that may show different states.
  @Test func twoMountsOfItInOneProcess() throws {
    let hosts = try Hosts()
    let a = try hosts.gateways.open("a")
    let filesystem = try a.attach(hosts.first.path, named: Self.name)
    #expect { try a.attach(hosts.second.path, named: Self.name) } throws: {
      "\($0)".contains("filesystem \(filesystem) is attached through another mount")
    }
    #expect(try a.attach(hosts.first.path, named: Self.name) == filesystem)
    a.detach(filesystem)
    #expect(try a.attach(hosts.second.path, named: Self.name) == filesystem)
    try a.close()
  }

  @Test func whatCannotHaveAName() throws {
    let volume = try Volume(.ext4)
    let gateways = try Gateways()
    let a = try gateways.open("a")
    for name in ["", "two\nlines", String(repeating: "x", count: 65), "\u{301}mark"] {
      #expect(throws: StoreError.self, "\(name)") { try a.attach(volume.path, named: name) }
    }
    let served = try Volume(.fuse)
    #expect { try a.attach(served.path, named: Self.name) } throws: {
      "\($0)".contains("a FUSE filesystem cannot have a name")
    }
    // Only a part of the filesystem is mounted.
    let directory = try TemporaryDirectory()
    try succeed("mkdir", volume.path.appending("part").string)
    let part = try Mount(
      ["--bind", volume.path.appending("part").string], at: directory.appending("part"))
    try succeed("umount", volume.path.string)
    #expect { try a.attach(part.path, named: Self.name) } throws: {
      "\($0)".contains("no mount shows it")
    }
    #expect(a.knownFilesystems().isEmpty)
    try a.close()
  }

  /// A name holds in a store in a directory, too, and whoever has many identities is still known.
  @Test func aStoreInADirectory() throws {
    let volume = try Volume(.ext4)
    try write("text", to: volume.path.appending("file"))
    let directory = try TemporaryDirectory()
    var node: NodeID?
    for _ in 0..<40 {
      let store = try Store(at: directory.appending("store"))
      let filesystem = try store.attach(volume.path, named: Self.name)
      let file = try store.register("file", in: volume.path, on: filesystem)
      #expect(node == nil || file.node == node)
      node = file.node
      #expect(store.knownFilesystems().map(\.name) == [Self.name])
      try store.close()
      try volume.unmount()
      try volume.changeUUID()
      try volume.mount()
    }
  }
}
