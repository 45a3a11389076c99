import Glibc
import HandleStore
import SystemPackage
import TestSupport
import Testing

/// A name at which another filesystem is mounted. The root of that filesystem has the same handle as
/// the root of the filesystem in which the name is.
@Suite(.mounts) struct MountPointTests {
  @Test(arguments: VolumeKind.allCases) func isNotAFileOfTheFilesystemAroundIt(
    _ kind: VolumeKind
  ) throws {
    let (outer, inner) = (try Volume(kind), try Volume(kind))
    try write("outside", to: outer.path.appending("file"))
    try write("inside", to: inner.path.appending("file"))
    let bind = try Mount(["--bind", inner.path.string], at: outer.path.appending("point"))
    let test = try TestStore()
    let store = test.store
    let id = try store.attach(outer.path)
    let found = try withDirectory(outer.path) {
      [
        try FoundFile(of: $0), try FoundFile(name: "file", in: $0),
        try FoundFile(name: "point", in: $0), try FoundFile(resolving: "point/file", in: $0),
      ]
    }
    for file in found[2...] {
      let refusal = StoreError.wrongFilesystem(file.handle, id)
      #expect(throws: refusal) { try store.register(file, on: id) }
      #expect(throws: refusal) {
        try store.register(batch: [found[1], file], on: id)
      }
    }
    #expect(try store.nodes().nodes.isEmpty)
    #expect(store.statistics.errors[.wrongFilesystem] == 4)
    for file in found[..<2] { #expect(try store.register(file, on: id).outcome == .created) }

    // On its own filesystem it is a file like any other.
    let other = try store.attach(inner.path)
    #expect(other != id)
    let root = try store.register(found[2], on: other)
    #expect(root.outcome == .created)
    let node = try store.register(found[3], on: other).node
    #expect(try store.contents(node) == "inside")
    try store.close()
    try bind.unmount()
  }

  @Test(arguments: VolumeKind.allCases) func aBindMountOfTheSameFilesystemIsNoBoundary(
    _ kind: VolumeKind
  ) throws {
    let volume = try Volume(kind)
    try makeTree(in: volume.path)
    let bind = try Mount(
      ["--bind", volume.path.appending("directory").string], at: volume.path.appending("point"))
    let test = try TestStore()
    let id = try test.store.attach(volume.path)
    let node = try test.store.register("directory/one", in: volume.path, on: id).node
    #expect(try test.store.register("point/one", in: volume.path, on: id).node == node)
    try test.store.close()
    try bind.unmount()
  }

  /// There are more device numbers than the store remembers.
  @Test func eachSubvolumeHasADeviceNumber() throws {
    let volume = try Volume(.btrfs)
    let names = (0..<40).map { "subvolume-\($0)" }
    for name in names {
      try succeed("btrfs", "subvolume", "create", volume.path.appending(name).string)
      try write("in \(name)", to: volume.path.appending("\(name)/file"))
    }
    let test = try TestStore()
    let id = try test.store.attach(volume.path)
    for outcome in [Registration.Outcome.created, .existing] {
      for name in names {
        let file = try withDirectory(volume.path) {
          try FoundFile(resolving: FilePath("\(name)/file"), in: $0)
        }
        let found = try test.store.register(file, on: id)
        #expect(found.outcome == outcome)
        #expect(try test.store.contents(found.node) == "in \(name)")
      }
    }
    #expect(try test.store.nodes().nodes.count == names.count)
    try test.store.close()
    try volume.unmount()
  }

  /// Names are bytes: they need not be UTF-8, and may begin with a character that combines with the
  /// blank before it.
  @Test func theTableOfMountsNamesAnyMount() throws {
    let directory = try TemporaryDirectory()
    let combining = try Mount(["-t", "tmpfs", "\u{301}source"], at: directory.appending("point"))
    let entry = try #require(try MountEntry.all().last { $0.point == combining.path })
    #expect(entry.type == "tmpfs")
    let bytes = directory.appending("not UTF-8 ").string.utf8 + [0xff]
    let path = bytes.map { CChar(bitPattern: $0) } + [0]
    try #require(Glibc.mkdir(path, 0o700) == 0 && Glibc.mount("none", path, "tmpfs", 0, nil) == 0)
    defer { #expect(Glibc.umount2(path, 0) == 0 && Glibc.rmdir(path) == 0) }
    #expect(try MountEntry.all().contains { $0.point == FilePath(platformString: path) })
  }
}
