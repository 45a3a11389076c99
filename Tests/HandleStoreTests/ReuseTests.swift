import CTestSupport
import Foundation
import HandleStore
import SystemPackage
import TestSupport
import Testing

/// Inode numbers that come back for other files.
@Suite(.mounts) struct ReuseTests {
  /// A few files on an ext4 with hardly more inodes, and what must be known of them.
  private struct Churn {
    let volume: Volume
    let test: TestStore
    let filesystem: FilesystemID
    var random: SeededGenerator
    var made = 0
    /// Files that are there: contents by node.
    var living: [NodeID: (name: String, inode: UInt64)] = [:]
    /// Nodes whose file is gone.
    var dead: [NodeID] = []
    /// The node of each inode number that the store still takes for live.
    var known: [UInt64: NodeID] = [:]
    var reuses = 0

    init(seed: UInt64) throws {
      volume = try Volume(.ext4, megabytes: 4, format: ["-N", "32"])
      test = try TestStore()
      filesystem = try test.store.attach(volume.path)
      random = SeededGenerator(seed: seed)
    }

    mutating func create() throws {
      made += 1
      let name = "file-\(made)"
      try write(name, to: volume.path.appending(name))
      let file = try NamedFile(name, in: volume.path)
      let found = try test.store.register(file.handle, status: file.status, on: filesystem)
      if let old = known[file.status.inode] {
        #expect(found.outcome == .replaced(old))
        #expect(try test.store.node(old)?.state == .stale)
        reuses += 1
      } else {
        #expect(found.outcome == .created)
      }
      known[file.status.inode] = found.node
      living[found.node] = (name, file.status.inode)
    }

    mutating func remove() throws {
      guard let (node, file) = living.randomElement(using: &random) else { return }
      try unlink(volume.path.appending(file.name))
      living[node] = nil
      dead.append(node)
    }

    mutating func open() throws {
      if let (node, file) = living.randomElement(using: &random) {
        #expect(try test.store.contents(node) == file.name)
        #expect(try test.store.register(file.name, in: volume.path, on: filesystem).node == node)
      }
      if let node = dead.randomElement(using: &random) {
        #expect(throws: StoreError.stale(node)) { try test.store.open(node, as: .readOnly) }
        for (inode, old) in known where old == node { known[inode] = nil }
      }
    }
  }

  @Test func noNodeEverOpensAnotherFile() throws {
    let seed = seed(usually: 2)
    var churn = try Churn(seed: seed)
    for _ in 0..<(10_000 * soak) {
      try churn.create()
      if churn.living.count >= 8 { try churn.remove() }
      if churn.made.isMultiple(of: 10) { try churn.open() }
    }
    #expect(churn.reuses > 8_000, "seed \(seed)")
    #expect(churn.test.store.statistics.replaced == UInt64(churn.reuses), "seed \(seed)")
    for (node, file) in churn.living { #expect(try churn.test.store.contents(node) == file.name) }
    let states = try churn.test.store.everyNode()
    #expect(states.count == churn.made)
    #expect(Set(states.filter { $0.state == .live }.map(\.id)) == Set(churn.known.values))
    try churn.test.store.close()
  }

  /// On a tree made by `mke2fs -d` every generation is 0, which ext4 takes for any.
  @Test func generationZeroIsComparedAndNotTrusted() throws {
    let source = try TemporaryDirectory()
    for i in 0..<300 { try write("original \(i)", to: source.appending("file-\(i)")) }
    let volume = try Volume(
      .ext4, megabytes: 16, format: ["-N", "512", "-d", source.path.string])
    let test = try TestStore()
    let id = try test.store.attach(volume.path)
    let files = try TestSupport.files(below: volume.path)
    #expect(files.count == 300 && files.allSatisfy { $0.handle.bytes[4...] == [0, 0, 0, 0] })
    let nodes = try test.store.register(batch: files.map(\.found), on: id).map(\.node)

    for (i, file) in files.enumerated() where i.isMultiple(of: 2) {
      try unlink(volume.path.appending(file.name))
    }
    for i in 0..<150 { try write("another \(i)", to: volume.path.appending("new-\(i)")) }
    let new = try TestSupport.files(below: volume.path).filter { $0.name.hasPrefix("new") }
    let inodes = Set(new.map(\.status.inode))
    #expect(files.filter { inodes.contains($0.status.inode) }.count > 100, "numbers are reused")

    for (i, (file, node)) in zip(files, nodes).enumerated() {
      if i.isMultiple(of: 2) {
        #expect(throws: StoreError.stale(node)) { try test.store.open(node) }
        #expect(throws: StoreError.stale(node)) { try test.store.open(node, as: .readOnly) }
      } else {
        let expected = try read(volume.path.appending(file.name))
        #expect(expected.hasPrefix("original"))
        #expect(try test.store.contents(node) == expected)
        #expect(try test.store.status(node).inode == file.status.inode)
      }
    }
    #expect(test.store.statistics.compared >= 300)
    let again = try test.store.register(batch: new.map(\.found), on: id)
    #expect(again.allSatisfy { $0.outcome == .created }, "their predecessors were retired")
    try test.store.close()
  }

  @Test func generationZeroIsReplacedAtRegistration() throws {
    let source = try TemporaryDirectory()
    for i in 0..<100 { try write("original \(i)", to: source.appending("file-\(i)")) }
    let volume = try Volume(
      .ext4, megabytes: 8, format: ["-N", "128", "-d", source.path.string])
    let test = try TestStore()
    let id = try test.store.attach(volume.path)
    let files = try TestSupport.files(below: volume.path)
    let nodes = try test.store.register(batch: files.map(\.found), on: id).map(\.node)
    let byInode = Dictionary(uniqueKeysWithValues: zip(files.map(\.status.inode), nodes))
    for file in files { try unlink(volume.path.appending(file.name)) }
    var replaced = 0
    for i in 0..<100 {
      try write("another \(i)", to: volume.path.appending("new-\(i)"))
      let file = try NamedFile("new-\(i)", in: volume.path)
      let found = try test.store.register(file.handle, status: file.status, on: id)
      if let old = byInode[file.status.inode] {
        #expect(found.outcome == .replaced(old))
        #expect(throws: StoreError.stale(old)) { try test.store.open(old) }
        replaced += 1
      }
      #expect(try test.store.contents(found.node) == "another \(i)")
    }
    #expect(replaced > 50)
    try test.store.close()
  }

  /// The kernel says ESTALE if it could not read an inode.
  @Test(arguments: [VolumeKind.ext4, .xfs]) func whatCannotBeReadIsNotStale(
    _ kind: VolumeKind
  ) throws {
    let volume = try Volume(kind)
    for i in 0..<100 { try write("\(i)", to: volume.path.appending("file-\(i)")) }
    let test = try TestStore()
    let id = try test.store.attach(volume.path)
    let nodes = try (0..<100).map {
      try test.store.register("file-\($0)", in: volume.path, on: id).node
    }
    try test.store.close()
    try volume.unmount()
    try volume.mount()
    try test.reopen()
    try test.store.attach(volume.path)
    try withDirectory(volume.path) {
      #expect(ts_shut_down($0.rawValue, 2) == 0, "FS_IOC_SHUTDOWN without a log flush")
    }
    var refused = 0
    for node in nodes {
      do {
        try test.store.open(node, as: .readOnly).close()
      } catch {
        guard case .system(.ioError, _)? = error as? StoreError else { throw error }
        refused += 1
      }
    }
    #expect(refused > 0)
    #expect(try test.store.everyNode(in: .stale).isEmpty)
    try test.store.close()
  }
}
