import CTestSupport
import Foundation
import HandleStore
import SystemPackage
import TestSupport
import Testing

/// Filesystems that are made anew, put back to an earlier state, or lose their newest files.
@Suite(.mounts) struct PutBackTests {
  /// A volume, a store that knows it, and a way to close both and open them again.
  private final class Fixture {
    let volume: Volume
    let test: TestStore
    var filesystem: FilesystemID
    let saved: FilePath
    private let directory: TemporaryDirectory
    var store: Store { test.store }

    init(_ kind: VolumeKind, format: [String] = []) throws {
      volume = try Volume(kind, format: format)
      test = try TestStore()
      directory = try TemporaryDirectory()
      saved = directory.appending("saved")
      filesystem = try test.store.attach(volume.path)
    }

    func create(_ name: String) throws -> NodeID {
      try write(name, to: volume.path.appending(name))
      return try store.register(name, in: volume.path, on: filesystem).node
    }

    /// Removes a file, and makes another of the same name, which gets its inode.
    func rewrite(_ name: String, as contents: String) throws {
      let path = volume.path.appending(name)
      try succeed("rm", path.string)
      // An inode is free when its removal was completed, which a thread of the kernel does.
      try succeed("stat", "-f", path.removingLastComponent().string)
      try write(contents, to: path)
    }

    func replace(_ name: String, by contents: String) throws -> NodeID {
      try rewrite(name, as: contents)
      return try store.register(name, in: volume.path, on: filesystem).node
    }

    /// Closes and unmounts; in between, something is done to the image.
    func again(_ change: () throws -> Void = {}) throws {
      try store.close()
      try volume.unmount()
      try change()
      try volume.mount()
      try test.reopen()
      filesystem = try store.attach(volume.path)
    }

    /// The image as it is now, also while it is mounted: then it is what a power cut would leave.
    func save() throws { try succeed("cp", "--sparse=always", volume.image.string, saved.string) }
    func putBack() throws { try succeed("cp", saved.string, volume.image.string) }

    func sync() throws { try succeed("sync", "-f", volume.path.string) }

    /// What a node's file holds; `nil` if nothing can be opened.
    func contents(_ node: NodeID) -> String? { try? store.contents(node) }
  }

  /// `mke2fs -d` with a fixed UUID: all handles come back, for other files.
  @Test func anImageThatIsMadeAnewIsAnotherFilesystem() throws {
    let tree = try TemporaryDirectory()
    let uuid = "6d3f7a3e-1d0b-4f0e-9a44-0c7e3a1b2c3d"
    let format = ["-U", uuid, "-d", tree.path.string]
    for i in 0..<20 { try write("first \(i)", to: tree.appending("file-\(i)")) }
    let fixture = try Fixture(.ext4, format: format)
    let first = fixture.filesystem
    let nodes = try (0..<20).map {
      try fixture.store.register("file-\($0)", in: fixture.volume.path, on: first).node
    }
    for i in 0..<20 { try write("second \(i)", to: tree.appending("file-\(i)")) }
    try fixture.again {
      try succeed(["mkfs.ext4", "-F", "-q"] + format + [fixture.volume.image.string])
    }
    #expect(fixture.filesystem != first)
    for (i, node) in nodes.enumerated() {
      #expect(throws: StoreError.notAttached(first)) { try fixture.store.open(node) }
      let new = try fixture.store.register(
        "file-\(i)", in: fixture.volume.path, on: fixture.filesystem)
      #expect(new.node != node && fixture.contents(new.node) == "second \(i)")
    }
    try fixture.store.close()
  }

  /// On btrfs the next new file has the handle of the one that is lost.
  @Test(arguments: [1, 2, 3, 12]) func aBtrfsThatIsPutBack(_ transactions: Int) throws {
    let fixture = try Fixture(.btrfs)
    let kept = try fixture.create("kept")
    try fixture.again { try fixture.save() }
    var lost: [NodeID] = []
    for i in 0..<transactions {
      lost.append(try fixture.create("lost-\(i)"))
      try fixture.sync()
    }
    let old = fixture.filesystem
    let handles = try lost.map { try #require(try fixture.store.node($0)).handle }
    try fixture.again { try fixture.putBack() }
    var found: [KernelFileHandle] = []
    for i in 0..<transactions {
      let node = try fixture.create("new-\(i)")
      found.append(try #require(try fixture.store.node(node)).handle)
      #expect(!lost.contains(node) && fixture.contents(node) == "new-\(i)")
      try fixture.sync()
    }
    #expect(!Set(found).isDisjoint(with: handles), "handles come back")
    for node in lost { #expect(fixture.contents(node) == nil) }
    if fixture.filesystem == old {
      #expect(fixture.contents(kept) == "kept")
    } else {
      #expect(transactions > 2, "few transactions may have been lost by a power cut")
    }
    try fixture.store.close()
  }

  /// The newest files are lost, and the filesystem stays the one that it was.
  @Test(arguments: [false, true]) func aPowerCutOnBtrfs(_ isUsedMeanwhile: Bool) throws {
    let fixture = try Fixture(.btrfs)
    let kept = try fixture.create("kept")
    let old = fixture.filesystem
    for round in 0..<3 {
      try fixture.sync()
      try fixture.save()
      let lost = try (0..<3).map { try fixture.create("lost-\(round)-\($0)") }
      try fixture.store.close()
      try fixture.volume.unmount()
      try fixture.putBack()
      // A file is no older than the second in which it was made.
      if isUsedMeanwhile { usleep(1_100_000) }
      try fixture.volume.mount()
      let names = (0..<3).map { "new-\(round)-\($0)" }
      for name in names where isUsedMeanwhile {
        try write(name, to: fixture.volume.path.appending(name))
      }
      try fixture.test.reopen()
      #expect(try fixture.store.attach(fixture.volume.path) == old)
      for name in names {
        let node = try fixture.create(name)
        #expect(!lost.contains(node) && fixture.contents(node) == name)
      }
      for node in lost {
        #expect(throws: StoreError.stale(node)) { try fixture.store.open(node) }
      }
      #expect(fixture.contents(kept) == "kept")
    }
    try fixture.store.close()
  }

  /// An inode that XFS has in memory gets the next generation when it is used again, so after the cut
  /// the file that replaces an old one has the handle of the one that replaced it before.
  @Test(arguments: [false, true]) func aPowerCutOnXFS(_ isUsedMeanwhile: Bool) throws {
    let fixture = try Fixture(.xfs)
    let kept = try fixture.create("kept")
    let old = fixture.filesystem
    let names = (0..<20).map { "file-\($0)" }
    for name in names { _ = try fixture.create(name) }
    try fixture.sync()
    // Not FS_IOC_SHUTDOWN: the kernel may write its log at any time, and then some of it is not lost.
    try fixture.save()
    let lost = try names.map { try fixture.replace($0, by: "lost") }
    let handles = try lost.map { try #require(try fixture.store.node($0)).handle }
    try fixture.store.close()
    try fixture.volume.unmount()
    try fixture.putBack()
    // A file is no older than the second in which it was made.
    usleep(1_100_000)
    try fixture.volume.mount()
    if isUsedMeanwhile { for name in names { try fixture.rewrite(name, as: "new") } }
    try fixture.test.reopen(StoreOptions(readOnly: true))
    #expect(try fixture.store.attachMounted() == [old])
    for node in lost { #expect(throws: StoreError.stale(node)) { try fixture.store.open(node) } }
    try fixture.store.close()
    try fixture.test.reopen(StoreOptions())
    #expect(try fixture.store.attach(fixture.volume.path) == old)
    let new = try names.map { name in
      isUsedMeanwhile
        ? try fixture.store.register(name, in: fixture.volume.path, on: old).node
        : try fixture.replace(name, by: "new")
    }
    let found = try new.map { try #require(try fixture.store.node($0)).handle }
    #expect(!Set(found).isDisjoint(with: handles), "handles come back")
    #expect(Set(new).isDisjoint(with: lost))
    for node in new { #expect(fixture.contents(node) == "new") }
    for node in lost { #expect(throws: StoreError.stale(node)) { try fixture.store.open(node) } }
    #expect(fixture.contents(kept) == "kept")
    try fixture.store.close()
  }

  @Test(arguments: [VolumeKind.ext4, .xfs]) func aPowerCutIsNoNewFilesystem(
    _ kind: VolumeKind
  ) throws {
    let fixture = try Fixture(kind)
    let old = fixture.filesystem
    let kept = try fixture.create("kept")
    for round in 0..<4 {
      try fixture.sync()
      for i in 0..<20 { _ = try fixture.create("lost-\(round)-\(i)") }
      if round.isMultiple(of: 2) { try fixture.store.close() }
      try withDirectory(fixture.volume.path) {
        #expect(ts_shut_down($0.rawValue, 2) == 0, "FS_IOC_SHUTDOWN without a log flush")
      }
      if !round.isMultiple(of: 2) { try fixture.store.close() }
      try fixture.volume.unmount()
      try fixture.volume.mount()
      try fixture.test.reopen()
      #expect(try fixture.store.attach(fixture.volume.path) == old, "round \(round)")
      #expect(fixture.contents(kept) == "kept")
    }
    try fixture.store.close()
  }

  /// Its handles do not come back, so it stays what it was, and so does one whose superblock is taken
  /// from a backup.
  @Test func anExt4ThatIsPutBackNamesNoFileTwice() throws {
    let fixture = try Fixture(.ext4)
    let old = fixture.filesystem
    let kept = try fixture.create("kept")
    try fixture.again { try fixture.save() }
    let lost = try (0..<20).map { try fixture.create("lost-\($0)") }
    try fixture.again { try fixture.putBack() }
    #expect(fixture.filesystem == old && fixture.contents(kept) == "kept")
    let new = try (0..<20).map { try fixture.create("new-\($0)") }
    #expect(Set(new).isDisjoint(with: lost))
    for node in lost { #expect(throws: StoreError.stale(node)) { try fixture.store.open(node) } }
    try fixture.again {
      _ = try run(["e2fsck", "-y", "-b", "32768", "-B", "4096", fixture.volume.image.string])
      _ = try run(["e2fsck", "-y", "-b", "8193", "-B", "1024", fixture.volume.image.string])
    }
    #expect(fixture.filesystem == old && fixture.contents(kept) == "kept")
    try fixture.store.close()
  }

  /// A node that was copied up is still found by the handle that it had: not if that is lost.
  @Test func theAliasOfALostFileIsLost() throws {
    let fixture = try Fixture(.btrfs)
    let upper = try Volume(.tmpfs)
    let above = try fixture.store.attach(upper.path)
    try fixture.sync()
    try fixture.save()
    let node = try fixture.create("lost")
    try write("copied", to: upper.path.appending("copied"))
    let copy = try NamedFile("copied", in: upper.path)
    try fixture.store.copyUp(node, to: copy.handle, status: copy.status, on: above)
    try fixture.again { try fixture.putBack() }
    #expect(try fixture.store.attach(upper.path) == above)
    #expect(try fixture.store.aliases(of: node).isEmpty)
    let new = try fixture.create("new")
    #expect(new != node && fixture.contents(new) == "new")
    #expect(fixture.contents(node) == "copied")
    try fixture.store.close()
  }

  /// A file whose copy is lost with the upper layer is found on the lower layer again.
  @Test func theUpperLayerIsPutBack() throws {
    let fixture = try Fixture(.btrfs)
    let lower = try Volume(.tmpfs)
    let below = try fixture.store.attach(lower.path)
    try write("original", to: lower.path.appending("file"))
    let node = try fixture.store.register("file", in: lower.path, on: below).node
    let above = fixture.filesystem
    try fixture.again { try fixture.save() }
    for i in 0..<6 {
      try write("later", to: fixture.volume.path.appending("later-\(i)"))
      try fixture.sync()
    }
    try write("copied", to: fixture.volume.path.appending("file"))
    let copy = try NamedFile("file", in: fixture.volume.path)
    try fixture.store.copyUp(node, to: copy.handle, status: copy.status, on: above)
    try fixture.sync()
    try fixture.again { try fixture.putBack() }
    #expect(fixture.filesystem != above)
    #expect(try fixture.store.attach(lower.path) == below)
    let again = try fixture.store.register("file", in: lower.path, on: below)
    #expect(again.node > node && again.outcome == .created)
    #expect(fixture.contents(again.node) == "original")
    try fixture.store.close()
  }

  /// Who only reads cannot retire the nodes of lost files, and does not show other files for them.
  @Test func aReaderDoesNotTakeAnotherFileForALostOne() throws {
    let fixture = try Fixture(.btrfs)
    let kept = try fixture.create("kept")
    try fixture.sync()
    try fixture.save()
    let lost = try (0..<3).map { try fixture.create("lost-\($0)") }
    try fixture.store.close()
    try fixture.volume.unmount()
    try fixture.putBack()
    usleep(1_100_000)
    try fixture.volume.mount()
    for i in 0..<3 { try write("new-\(i)", to: fixture.volume.path.appending("new-\(i)")) }
    try fixture.test.reopen(StoreOptions(readOnly: true))
    #expect(try fixture.store.attachMounted() == [fixture.filesystem])
    for node in lost {
      #expect(throws: StoreError.stale(node)) { try fixture.store.open(node) }
    }
    #expect(fixture.contents(kept) == "kept")
    try fixture.store.close()
  }

  /// Since Linux 6.13 a file can be born a few milliseconds later than the coarse clock shows.
  @Test(arguments: [VolumeKind.xfs, .btrfs]) func noFileIsYoungerThanItsNode(
    _ kind: VolumeKind
  ) throws {
    let fixture = try Fixture(kind)
    let end = Date(timeIntervalSinceNow: 3)
    var count = 0
    // A quick machine would fill the disk.
    while Date() < end && count < 20_000 {
      _ = try fixture.create("\(count)")
      count += 1
    }
    try fixture.again()
    #expect(fixture.store.statistics.retired == 0, "of \(count)")
    try fixture.store.close()
  }

  /// What is only unmounted keeps its nodes.
  @Test(arguments: [VolumeKind.ext4, .xfs, .btrfs]) func aRemountIsNoNewFilesystem(
    _ kind: VolumeKind
  ) throws {
    let fixture = try Fixture(kind)
    let old = fixture.filesystem
    var nodes: [String: NodeID] = [:]
    for round in 0..<5 {
      for i in 0..<5 {
        nodes["\(round)-\(i)"] = try fixture.create("\(round)-\(i)")
        if i == 2 { try fixture.sync() }
      }
      try fixture.again()
      #expect(fixture.filesystem == old)
      for (name, node) in nodes { #expect(fixture.contents(node) == name) }
    }
    #expect(fixture.store.statistics.retired == 0)
    try fixture.store.close()
  }
}
