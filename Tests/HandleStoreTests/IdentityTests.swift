import Foundation
import HandleStore
import SystemPackage
import TestSupport
import Testing

/// What is one filesystem, and what is two.
@Suite(.mounts) struct IdentityTests {
  @Test func btrfsSnapshotsAreToldApart() throws {
    let volume = try Volume(.btrfs)
    let root = volume.path
    try succeed("btrfs", "subvolume", "create", root.appending("one").string)
    try write("of one", to: root.appending("one/file"))
    for copy in ["two", "three"] {
      try succeed(
        "btrfs", "subvolume", "snapshot", root.appending("one").string,
        root.appending(copy).string)
      try write("of \(copy)", to: root.appending("\(copy)/file"))
    }
    let test = try TestStore()
    let id = try test.store.attach(root)
    let names = ["one", "two", "three"]
    #expect(try Set(names.map { try NamedFile("\($0)/file", in: root).status.inode }).count == 1)
    var nodes: [NodeID] = []
    for name in names {
      #expect(try test.store.attach(root.appending(name)) == id)
      let found = try test.store.register("\(name)/file", in: root, on: id)
      #expect(found.outcome == .created)
      nodes.append(found.node)
    }
    for (name, node) in zip(names, nodes) { #expect(try test.store.contents(node) == "of \(name)") }

    // A subvolume mounted by itself is the same filesystem.
    let directory = try TemporaryDirectory()
    let mount = try Mount(
      ["-o", "subvol=two", volume.source], at: directory.appending("subvolume"))
    #expect(try test.store.attach(mount.path) == id)
    #expect(try test.store.register("file", in: mount.path, on: id).node == nodes[1])
    for (name, node) in zip(names, nodes) { #expect(try test.store.contents(node) == "of \(name)") }
    try test.store.close()
  }

  @Test(arguments: VolumeKind.allCases) func aBindMountIsTheSameFilesystem(
    _ kind: VolumeKind
  ) throws {
    let volume = try Volume(kind)
    try makeTree(in: volume.path)
    let test = try TestStore()
    let directory = try TemporaryDirectory()
    let bind = try Mount(
      ["--bind", volume.path.appending("directory").string], at: directory.appending("bind"))
    let id = try test.store.attach(bind.path)
    let node = try test.store.register("one", in: bind.path, on: id).node
    #expect(try test.store.attach(volume.path) == id)
    #expect(try test.store.register("directory/one", in: volume.path, on: id).node == node)
    let file = try test.store.register("file", in: volume.path, on: id).node
    #expect(try test.store.contents(file) == "contents of file")
    #expect(test.store.knownFilesystems().count == 1)
    try test.store.close()
  }

  @Test(arguments: [VolumeKind.ext4, .xfs, .btrfs])
  func aSecondMountIsTheSameFilesystem(_ kind: VolumeKind) throws {
    let volume = try Volume(kind)
    try write("once", to: volume.path.appending("file"))
    let directory = try TemporaryDirectory()
    let second = try Mount(
      ["-t", kind.rawValue, volume.source], at: directory.appending("second"))
    let test = try TestStore()
    let id = try test.store.attach(volume.path)
    #expect(try test.store.attach(second.path) == id)
    let node = try test.store.register("file", in: volume.path, on: id).node
    #expect(try test.store.register("file", in: second.path, on: id).node == node)
    #expect(try test.store.contents(node) == "once")
    try test.store.close()
  }

  /// What a copied image and its original share: everything but the device.
  final class Twins {
    let original: Volume
    let copy: Volume
    private static func options(_ kind: VolumeKind) -> [String] { kind == .xfs ? ["nouuid"] : [] }

    init(_ kind: VolumeKind) throws {
      original = try Volume(kind, options: Self.options(kind))
      for i in 0..<50 { try write("original \(i)", to: original.path.appending("file-\(i)")) }
      try original.unmount()
      copy = try Volume(copyOf: original, options: Self.options(kind))
      try copy.mount()
      for i in 0..<50 { try write("copy \(i)", to: copy.path.appending("file-\(i)")) }
      try copy.unmount()
    }
  }

  @Test(arguments: [VolumeKind.ext4, .xfs]) func aCopyBesideTheOriginalIsNotMixedUp(
    _ kind: VolumeKind
  ) throws {
    let twins = try Twins(kind)
    try twins.original.mount()
    try twins.copy.mount()
    let test = try TestStore()
    let id = try test.store.attach(twins.original.path)
    let node = try test.store.register("file-7", in: twins.original.path, on: id).node
    do {
      let other = try test.store.attach(twins.copy.path)
      #expect(other != id)
      let same = try NamedFile("file-7", in: twins.copy.path)
      #expect(same.handle == (try test.store.node(node)?.handle))
      let twin = try test.store.register(same.handle, status: same.status, on: other)
      #expect(twin.outcome == .created && twin.node != node)
      #expect(try test.store.contents(twin.node) == "copy 7")
    } catch StoreError.ambiguousFilesystem {}
    #expect(try test.store.contents(node) == "original 7")
    #expect(try test.store.attach(twins.original.path) == id)
    try test.store.close()
  }

  @Test(arguments: [VolumeKind.ext4, .xfs]) func aCopyInPlaceOfTheOriginalIsNotMixedUp(
    _ kind: VolumeKind
  ) throws {
    let twins = try Twins(kind)
    try twins.original.mount()
    let test = try TestStore()
    let id = try test.store.attach(twins.original.path)
    let node = try test.store.register("file-7", in: twins.original.path, on: id).node
    try test.store.close()
    try twins.original.unmount()

    try twins.copy.mount()
    try test.reopen()
    #expect(try !test.store.attachMounted().contains(id))
    do {
      #expect(try test.store.attach(twins.copy.path) != id)
    } catch StoreError.ambiguousFilesystem {}
    #expect(throws: StoreError.notAttached(id)) { try test.store.open(node) }
    try test.store.close()
    try twins.copy.unmount()

    try twins.original.mount()
    try test.reopen()
    #expect(try test.store.attach(twins.original.path) == id)
    #expect(try test.store.contents(node) == "original 7")
    try test.store.close()
  }

  @Test func copiedPartitionsAreToldApart() throws {
    let directory = try TemporaryDirectory()
    let disks = ["one", "two"].map { directory.appending($0) }
    try succeed("truncate", "-s", "24M", disks[0].string)
    let first = try Disk(disks[0])
    try succeed("mkfs.ext4", "-F", "-q", first.partition)
    let test = try TestStore()
    var mount = try Mount([first.partition], at: directory.appending("mounted"))
    try write("of one", to: mount.path.appending("file"))
    let id = try test.store.attach(mount.path)
    let node = try test.store.register("file", in: mount.path, on: id).node
    test.store.detach(id)
    try mount.unmount()
    try succeed("cp", disks[0].string, disks[1].string)

    let second = try Disk(disks[1])
    mount = try Mount([second.partition], at: directory.appending("mounted"))
    let other = try test.store.attach(mount.path)
    #expect(other != id)
    #expect(throws: StoreError.notAttached(id)) { try test.store.open(node) }
    test.store.detach(other)
    try mount.unmount()
    mount = try Mount([first.partition], at: directory.appending("mounted"))
    #expect(try test.store.attach(mount.path) == id)
    #expect(try test.store.contents(node) == "of one")
    try test.store.close()
    try mount.unmount()
  }

  /// A loop device with a partition.
  final class Disk {
    let device: String
    var partition: String { device + "p1" }

    init(_ image: FilePath) throws {
      device = try succeed("losetup", "--find", "--show", image.string)
        .trimmingCharacters(in: .whitespacesAndNewlines)
      // The device may have one from a use before, which was interrupted.
      _ = try? succeed("delpart", device, "1")
      try succeed("addpart", device, "1", "2048", "40960")
    }

    deinit {
      _ = try? succeed("delpart", device, "1")
      _ = try? succeed("losetup", "--detach", device)
    }
  }

  /// The image behind a loop device cannot be told once it has no name.
  @Test func whatMayBeACopyIsRefused() throws {
    let original = try Volume(.ext4)
    try write("original", to: original.path.appending("file"))
    let test = try TestStore()
    let id = try test.store.attach(original.path)
    _ = try withDirectory(original.path) { try test.store.addExport("all", roots: [$0]) }
    try test.reopen()
    try original.unmount()
    let absent = #expect(throws: StoreError.self) { try test.store.openExport("all") }
    #expect(absent?.code == .notAttached)
    let copy = try Volume(copyOf: original)
    try copy.mount()
    try unlink(copy.image)
    let error = #expect(throws: StoreError.self) { try test.store.attach(copy.path) }
    #expect(error?.code == .ambiguousFilesystem)
    #expect(try test.store.attachMounted() == [])
    let refused = #expect(throws: StoreError.self) { try test.store.openExport("all") }
    #expect(refused?.code == .ambiguousFilesystem)
    try copy.unmount()
    try original.mount()
    #expect(try test.store.attachMounted() == [id])
    try test.store.close()
  }

  /// Neither of two that nothing tells apart, though the store knows none of them.
  @Test func twinsAreRefused() throws {
    let original = try Volume(.ext4)
    try original.unmount()
    let copy = try Volume(copyOf: original)
    try original.mount()
    try copy.mount()
    for image in [original.image, copy.image] { try unlink(image) }
    let test = try TestStore()
    for volume in [original, copy] {
      let error = #expect(throws: StoreError.self) { try test.store.attach(volume.path) }
      #expect(error?.code == .ambiguousFilesystem)
    }
    try copy.unmount()
    let id = try test.store.attach(original.path)
    test.store.detach(id)
    try test.store.close()
  }

  /// All of them have one handle.
  @Test func whatStandsForASubvolumeInASnapshotHasNoHandle() throws {
    let volume = try Volume(.btrfs)
    let one = volume.path.appending("one")
    try succeed("btrfs", "subvolume", "create", one.string)
    for name in ["inner", "other"] {
      try succeed("btrfs", "subvolume", "create", one.appending(name).string)
    }
    try succeed("btrfs", "subvolume", "snapshot", one.string, volume.path.appending("two").string)
    try withDirectory(volume.path) { root in
      for name in ["inner", "other"] {
        expect(.notSupported) {
          try FoundFile(resolving: FilePath("two/\(name)"), in: root)
        }
        _ = try FoundFile(resolving: FilePath("one/\(name)"), in: root)
      }
    }
  }

  @Test func whatMakesNoHandlesIsRefused() throws {
    let test = try TestStore()
    #expect(throws: StoreError.noHandles(FilesystemMagic(rawValue: 0x9fa0))) {
      try test.store.attach("/proc")
    }
    #expect(test.store.knownFilesystems().isEmpty)
  }

  @Test func anOverlayWithoutExportIsRefused() throws {
    let volume = try Volume(.ext4)
    let directory = try TemporaryDirectory()
    for name in ["lower", "upper", "work"] {
      try FileManager.default.createDirectory(
        atPath: volume.path.appending(name).string, withIntermediateDirectories: false)
    }
    let base = volume.path
    let overlay = try Mount(
      [
        "-t", "overlay", "-o", "lowerdir=\(base)/lower,upperdir=\(base)/upper,workdir=\(base)/work",
        "o",
      ],
      at: directory.appending("overlay"))
    let test = try TestStore()
    let error = #expect(throws: StoreError.self) { try test.store.attach(overlay.path) }
    #expect(error?.description.contains("nfs_export=on") == true)
  }

  @Test func anOverlayFindsAFileByItsOtherNameAfterARestart() throws {
    let volume = try Volume(.overlay)
    let test = try TestStore()
    let id = try test.store.attach(volume.path)
    try write("touched", to: volume.path.appending("a"))
    let node = try test.store.register("a", in: volume.path, on: id).node
    #expect(try test.store.node(node)?.handle.isSpilled == true)
    try link(volume.path.appending("a"), to: volume.path.appending("b"))
    try unlink(volume.path.appending("a"))

    try test.store.close()
    try volume.remountElsewhere()
    try test.reopen()
    #expect(try test.store.attach(volume.path) == id)
    #expect(try test.store.contents(node) == "touched")
    #expect(try test.store.register("b", in: volume.path, on: id).node == node)
    try unlink(volume.path.appending("b"))
    #expect(throws: StoreError.stale(node)) { try test.store.open(node) }
    try test.store.close()
  }

  @Test func anOverlayFindsALowerFileAfterItWasCopiedUp() throws {
    let volume = try Volume(.overlay)
    let lower = try #require(volume.lower)
    try write("lower", to: lower.appending("file"))
    try volume.unmount()
    try volume.mount()
    let test = try TestStore()
    let id = try test.store.attach(volume.path)
    let node = try test.store.register("file", in: volume.path, on: id).node
    #expect(try test.store.contents(node) == "lower")
    try write("copied up", to: volume.path.appending("file"))
    try rename(volume.path.appending("file"), to: volume.path.appending("renamed"))
    #expect(try test.store.contents(node) == "copied up")
    try test.store.close()
    try volume.remountElsewhere()
    try test.reopen()
    try test.store.attach(volume.path)
    #expect(try test.store.contents(node) == "copied up")
    #expect(try test.store.register("renamed", in: volume.path, on: id).node == node)
    try test.store.close()
  }

  @Test func attachMountedDoesNotPreferAReadOnlyMount() throws {
    let volume = try Volume(.ext4)
    try write("text", to: volume.path.appending("file"))
    let test = try TestStore()
    let id = try test.store.attach(volume.path)
    let node = try test.store.register("file", in: volume.path, on: id).node
    let directory = try TemporaryDirectory()
    let bind = try Mount(
      ["-o", "bind,ro", volume.path.string], at: directory.appending("read-only"))
    #expect(try test.store.attachMounted().contains(id))
    try test.store.open(node, as: .readWrite).close()
    try test.reopen()
    #expect(try test.store.attachMounted().contains(id))
    try test.store.open(node, as: .readWrite).close()
    try test.store.close()
    try bind.unmount()
  }
}
