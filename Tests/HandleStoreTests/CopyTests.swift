import Foundation
import HandleStore
import SystemPackage
import TestSupport
import Testing

/// A store is its directory. Whatever else has its bytes is another store, with other ids.
@Suite struct CopyTests {
  /// A closed store with a hundred nodes.
  private func original() throws -> (test: TestStore, nodes: [NodeID]) {
    let test = try TestStore()
    let id = try test.store.attach(Synthetic.directory)
    let nodes = try test.store.registerEach(0..<100, on: id).map(\.node)
    try test.store.close()
    return (test, nodes)
  }

  /// The ids that a store hands out for a thousand files that no store of these tests knows.
  private func mint(at path: FilePath, keeping nodes: [NodeID]) throws -> Set<NodeID> {
    let store = try Store(at: path)
    for node in nodes { #expect(try store.node(node)?.state == .live) }
    let id = try store.attach(Synthetic.directory)
    let minted = try store.registerEach(10_000..<11_000, on: id).map(\.node)
    try store.close()
    return Set(minted)
  }

  @Test func copiesOfAClosedStoreMintOtherIDs() throws {
    let (test, nodes) = try original()
    var minted: [Set<NodeID>] = []
    for name in ["copy", "again"] {
      let copy = test.directory.appending(name)
      try succeed("cp", "-a", test.path.string, copy.string)
      minted.append(try mint(at: copy, keeping: nodes))
      // Once it is a store of its own, it stays that.
      minted.append(try mint(at: copy, keeping: nodes))
      #expect(minted[minted.count - 1] == minted[minted.count - 2], "files that it knows by now")
      minted.removeLast()
    }
    minted.append(try mint(at: test.path, keeping: nodes))
    #expect(Set(minted.flatMap { $0 }).count == 3000)
    #expect(try #require(minted[2].max()).rawValue < 1 << 21, "the original goes on as it was")
  }

  @Test func aBackupThatIsRestoredTwiceMintsOtherIDs() throws {
    let (test, nodes) = try original()
    try test.reopen()
    let backup = test.directory.appending("backup")
    try test.store.backup(to: backup)
    try test.store.close()
    var minted = [try mint(at: test.path, keeping: nodes)]
    for name in ["one", "two"] {
      try succeed("cp", "-a", backup.string, test.directory.appending(name).string)
      minted.append(try mint(at: test.directory.appending(name), keeping: nodes))
    }
    minted.append(try mint(at: backup, keeping: nodes))
    #expect(Set(minted.flatMap { $0 }).count == 4000)
  }

  /// The directory is the same, and its files are older than what the store has handed out.
  @Test(arguments: [false, true])
  func filesThatAreRestoredInPlaceMintOtherIDs(areRepaired: Bool) throws {
    let (test, nodes) = try original()
    let saved = test.directory.appending("saved")
    try succeed("cp", "-a", test.path.string, saved.string)
    var minted = [try mint(at: test.path, keeping: nodes)]
    // Into the files that are there, and with new files.
    for command in [["cp", "-a"], ["cp", "-a", "--remove-destination"]] {
      try succeed(command + ["\(saved)/.", test.path.string])
      if areRepaired { _ = try Store.repair(at: test.path) }
      minted.append(try mint(at: test.path, keeping: nodes))
    }
    #expect(Set(minted.flatMap { $0 }).count == 3000)
  }

  /// Its files come to the directory of which they speak. `state` was a hard link to the original's.
  @Test func aRepairedCopyInPlaceOfTheOriginalMintsOtherIDs() throws {
    let (test, nodes) = try original()
    let copy = test.directory.appending("copy")
    try succeed("cp", "-al", test.path.string, copy.string)
    let own = "cd \"$1\" && rm lock.mdb && cp data.mdb new && mv new data.mdb"
    try succeed("sh", "-c", own, "sh", copy.string)
    var minted = try mint(at: test.path, keeping: nodes)
    _ = try Store.repair(at: copy)
    let move = "rm \"$1\"/* && mv \"$2\"/* \"$1\""
    try succeed("sh", "-c", move, "sh", test.path.string, copy.string)
    minted.formUnion(try mint(at: test.path, keeping: nodes))
    #expect(minted.count == 2000)
  }

  /// The ids that it passed over are not nodes that it had.
  @Test func theLossOfACopyIsItsOwn() throws {
    let (test, nodes) = try original()
    let copy = test.directory.appending("copy")
    try succeed("cp", "-a", test.path.string, copy.string)
    _ = try mint(at: copy, keeping: nodes)
    try write("", to: copy.appending("data.mdb"))
    let findings = try Store.check(at: copy).findings
    #expect(findings.contains { $0.description.contains("up to 1100 nodes") }, "\(findings)")
    #expect(try Store.repair(at: copy).mayBeLost == 1100)
  }

  @Test func aCopyOfACopyHasRoom() throws {
    let (test, nodes) = try original()
    var path = test.path
    var minted: Set<NodeID> = []
    for i in 1...20 {
      let copy = test.directory.appending("copy-\(i)")
      try succeed("cp", "-a", path.string, copy.string)
      let new = try mintOne(UInt64(i), at: copy)
      #expect(minted.insert(new).inserted && new > minted.subtracting([new]).max() ?? .root)
      path = copy
    }
    #expect(try mint(at: path, keeping: nodes).count == 1000)
  }

  private func mintOne(_ inode: UInt64, at path: FilePath) throws -> NodeID {
    let store = try Store(at: path)
    defer { try? store.close() }
    let id = try store.attach(Synthetic.directory)
    return try store.register(Synthetic.file(1 << 40 + inode), on: id).node
  }

  /// What is copied while a process writes is whole, or refused: never served torn.
  @Test func aCopyOfAStoreThatIsWrittenIsCheckedFirst() throws {
    let directory = try TemporaryDirectory()
    let path = directory.appending("store")
    let log = directory.appending("log")
    let child = try Child(
      "storeworker", ["write", path.string, Durability.process.rawValue, log.string, "1"])
    #expect(child.line() == "writing")
    var copies: [FilePath] = []
    for i in 0..<(12 * soak) {
      usleep(20_000)
      copies.append(directory.appending("copy-\(i)"))
      try succeed("cp", "-a", path.string, copies[i].string)
    }
    child.kill()
    for copy in copies {
      let isWhole = try Store.check(at: copy).findings.allSatisfy { $0.kind == .nodeID }
      for readOnly in [true, false] {
        do {
          let store = try Store(at: copy, options: StoreOptions(readOnly: readOnly))
          #expect(isWhole, "\(copy) was opened")
          #expect(try store.everyNode().allSatisfy { $0.id >= NodeID(rawValue: 2) })
          try store.close()
        } catch StoreError.tornCopy {
          #expect(!isWhole, "\(copy) was refused")
        } catch StoreError.damaged {
          #expect(!isWhole, "\(copy) was refused")
        }
      }
    }
  }

  /// Damage that only a check of the whole finds.
  @Test func aTornCopyIsRefused() throws {
    let (test, _) = try original()
    let copy = test.directory.appending("copy")
    try succeed("cp", "-a", test.path.string, copy.string)
    let data = try FileDescriptor.open(copy.appending("data.mdb"), .readWrite)
    try data.closeAfter {
      let end = try data.seek(offset: 0, from: .end)
      for page in stride(from: 2 * 4096, to: end, by: 4096) {
        _ = try data.writeAll(toAbsoluteOffset: page + 64, [UInt8](repeating: 0xa5, count: 64))
      }
    }
    for readOnly in [true, false] {
      let error = #expect(throws: StoreError.self) {
        try Store(at: copy, options: StoreOptions(readOnly: readOnly))
      }
      guard case .tornCopy? = error else {
        Issue.record("\(String(describing: error))")
        continue
      }
    }
  }

  /// `cp -al`: the copy's data are the original's.
  @Test func aCopyByHardLinksIsRefused() throws {
    let (test, nodes) = try original()
    let copy = test.directory.appending("copy")
    try succeed("cp", "-al", test.path.string, copy.string)
    for readOnly in [true, false] {
      #expect(throws: StoreError.sharedData(path: copy)) {
        try Store(at: copy, options: StoreOptions(readOnly: readOnly))
      }
    }
    let minted = try mint(at: test.path, keeping: nodes)
    let own = copy.appending("own.mdb")
    try succeed("cp", copy.appending("data.mdb").string, own.string)
    try rename(own, to: copy.appending("data.mdb"))
    // LMDB's lock file has the number of the newest commit.
    #expect(throws: StoreError.sharedData(path: copy)) { try Store(at: copy) }
    try unlink(copy.appending("lock.mdb"))
    #expect(try !minted.contains(mintOne(1, at: copy)))
  }

  /// A snapshot has the same inode numbers, times and UUID; only the subvolume is another one.
  @Test(.mounts) func aSnapshotMintsOtherIDs() throws {
    let volume = try Volume(.btrfs)
    let subvolume = volume.path.appending("subvolume")
    try succeed("btrfs", "-q", "subvolume", "create", subvolume.string)
    var minted = [try mint(at: subvolume.appending("store"), keeping: [])]
    let snapshot = volume.path.appending("snapshot")
    try succeed("btrfs", "-q", "subvolume", "snapshot", subvolume.string, snapshot.string)
    for path in [snapshot, subvolume] {
      let store = try Store(at: path.appending("store"))
      let id = try store.attach(Synthetic.directory)
      minted.append(Set(try store.registerEach(20_000..<20_100, on: id).map(\.node)))
      try store.close()
    }
    #expect(Set(minted.flatMap { $0 }).count == 1200)
  }

  /// A copied disk, mounted beside the original.
  @Test(.mounts, arguments: [VolumeKind.ext4, .xfs]) func aCopiedDiskMintsOtherIDs(
    _ kind: VolumeKind
  ) throws {
    let volume = try Volume(kind)
    _ = try mint(at: volume.path.appending("store"), keeping: [])
    try volume.unmount()
    let other = try Volume(copyOf: volume, options: kind == .xfs ? ["nouuid"] : [])
    try volume.mount()
    try other.mount()
    var minted: [NodeID] = []
    for path in [other.path, volume.path] {
      minted.append(try mintOne(1, at: path.appending("store")))
    }
    #expect(minted[0] != minted[1] && minted[0].rawValue > 1 << 40 && minted[1].rawValue < 1 << 21)
  }
}
