import Foundation
import Glibc
import HandleStore
import SystemPackage
import TestSupport
import Testing

/// What clients hold, and what is dropped.
@Suite struct PinTests {
  private let test: TestStore
  private let filesystem: FilesystemID
  private var store: Store { test.store }

  init() throws {
    test = try TestStore(StoreOptions(retention: .nodes(0)))
    filesystem = try test.store.attach(Synthetic.directory)
  }

  private func node(_ inode: UInt64, pinnedBy pins: Pins? = nil) throws -> NodeID {
    try store.register(Synthetic.file(inode), on: filesystem, pinnedBy: pins).node
  }

  @Test func aPinnedNodeIsNotDropped() throws {
    let pins = try store.pinsInMemory()
    let held = try node(1, pinnedBy: pins)
    let stale = try node(2, pinnedBy: pins)
    try store.retire(stale)
    let free = try node(3)
    #expect(try !store.forget(held))
    #expect(try !store.forget(stale))
    #expect(try store.evict(stale: .seconds(0)) == 0)
    #expect(try store.evict(stale: .nodes(0)) == 0)
    #expect(try store.evict() == 1)
    #expect(try store.everyNode().map(\.id) == [held, stale])
    #expect(try store.node(free) == nil)
    #expect(pins.unpin(stale) == 0)
    #expect(try store.evict(stale: .seconds(0)) == 1)
    #expect(pins.unpin(held) == 0)
    #expect(try store.forget(held))
    #expect(try store.everyNode().isEmpty)
  }

  @Test func aCountGoesNoLowerThanNothing() throws {
    let pins = try store.pinsInMemory()
    let id = try node(1, pinnedBy: pins)
    #expect(pins.count(of: id) == 1)
    #expect(pins.unpin(id, count: .max) == 0)
    #expect(pins.unpin(id) == 0)
    #expect(try store.pin(id, by: pins))
    #expect(pins.count(of: id) == 1, "what was given back too often is not owed")
    #expect(try store.pin(id, count: .max, by: pins))
    #expect(try store.pin(id, count: 7, by: pins))
    #expect(pins.count(of: id) == .max, "nor does a count begin anew")
    #expect(try !store.forget(id))
  }

  @Test func whatOneClientGivesBackAnotherStillHolds() throws {
    let (a, b) = try (store.pinsInMemory(), store.pinsInMemory())
    let id = try node(1, pinnedBy: a)
    #expect(try node(1, pinnedBy: b) == id)
    for _ in 0..<3 { a.unpin(id, count: 1000) }
    #expect(b.count(of: id) == 1)
    #expect(try !store.forget(id))
    a.unpinAll()
    #expect(try store.evict() == 0)
    b.unpinAll()
    #expect(b.count(of: id) == 0)
    #expect(try store.evict() == 1)
  }

  @Test func aNodeThatIsGoneCannotBePinned() throws {
    let file = try MemoryFile()
    let pins = try store.pins(in: file.descriptor)
    let id = try node(1)
    #expect(try store.forget(id))
    #expect(try !store.pin(id, by: pins))
    #expect(pins.count(of: id) == 0)
    for number in [0, 1, 1 << 20, 1 << 44, 1 << 61, UInt64.max] {
      let made = NodeID(rawValue: number)
      #expect(try !store.pin(made, by: pins))
      #expect(pins.count(of: made) == 0)
      #expect(pins.unpin(made) == 0)
    }
    #expect(file.blocks == 0, "what is asked for takes no room")
  }

  @Test func aBatchPinsEachNode() throws {
    let pins = try store.pinsInMemory()
    let ids = try store.register(
      batch: [1, 2, 1].map { Synthetic.file($0) }, on: filesystem, pinnedBy: pins
    ).map(\.node)
    #expect(pins.count(of: ids[0]) == 2 && pins.count(of: ids[1]) == 1)
    #expect(try store.evict() == 0)
  }

  @Test func thePinsOfManyNodesAreFoundAgain() throws {
    let file = try MemoryFile()
    var pins = try store.pins(in: file.descriptor)
    let ids = try store.register(
      batch: (0..<20_000).map { Synthetic.file($0) }, on: filesystem
    ).map(\.node)
    for id in ids where id.rawValue % 5000 < 2 { #expect(try store.pin(id, count: 3, by: pins)) }
    store.remove(pins)
    pins = try store.pins(in: file.descriptor)
    for id in ids { #expect(pins.count(of: id) == (id.rawValue % 5000 < 2 ? 3 : 0)) }
    let held = ids.filter { pins.count(of: $0) > 0 }
    #expect(try store.evict() == ids.count - held.count)
    #expect(try store.everyNode().map(\.id) == held)
    store.remove(pins)
    #expect(try store.evict() == held.count, "pins that were taken out hold nothing")
  }

  /// The number of pinned nodes follows each way in which a count begins and ends.
  @Test func pinnedNodesAreCounted() throws {
    let file = try MemoryFile()
    var pins = try store.pins(in: file.descriptor)
    let ids = try store.register(
      batch: (0..<9000).map { Synthetic.file($0) }, on: filesystem, pinnedBy: pins
    ).map(\.node)
    #expect(pins.nodeCount == 9000)
    #expect(try store.pin(ids[0], count: 5, by: pins))
    pins.unpin(ids[0], count: 5)
    #expect(pins.nodeCount == 9000)
    pins.unpin(ids[0])
    pins.unpin(ids[0])
    pins.unpin(ids[8999], count: .max)
    #expect(pins.nodeCount == 8998)
    store.remove(pins)
    pins = try store.pins(in: file.descriptor)
    #expect(pins.nodeCount == 8998 && pins.nodes.count == 8998)
    pins.unpinAll()
    #expect(pins.nodeCount == 0)
  }

  /// What pins take does not grow with the ids that were ever handed out.
  @Test func droppedNodesTakeNoRoom() throws {
    let file = try MemoryFile()
    var pins = try store.pins(in: file.descriptor)
    var ids: [NodeID] = []
    for round: UInt64 in 0..<20 {
      let new = try store.register(
        batch: (0..<3000).map { Synthetic.file(round * 3000 + $0) }, on: filesystem, pinnedBy: pins
      ).map(\.node)
      for id in new.dropFirst() { pins.unpin(id) }
      try store.evict()
      ids += new
    }
    let held = stride(from: 0, to: ids.count, by: 3000).map { ids[$0] }
    #expect(try store.everyNode().map(\.id) == held)
    // A page for each node that is held, and those above the last one.
    #expect(file.blocks <= (held.count + 24) * 8, "\(file.blocks)")
    for id in ids { #expect(pins.count(of: id) == (held.contains(id) ? 1 : 0)) }
    store.remove(pins)
    pins = try store.pins(in: file.descriptor)
    #expect(Set(pins.nodes) == Set(held))
    #expect(try store.evict() == 0)
  }

  /// Another thread may be counting a node that is just being made: above the last node, nothing is
  /// given back.
  @Test func roomForNodesToComeStays() throws {
    let file = try MemoryFile()
    let pins = try store.pins(in: file.descriptor)
    let id = try node(1, pinnedBy: pins)
    let room = file.blocks
    pins.unpin(id)
    #expect(try store.evict() == 1)
    #expect(file.blocks == room)
  }

  @Test func noRoomForPinsIsSaid() throws {
    let file = try FileDescriptor.open("/dev/null", .readWrite, options: .closeOnExec)
    defer { try? file.close() }
    #expect(throws: StoreError.self) { try store.pins(in: file) }
    let (read, _) = try FileDescriptor.pipe()
    #expect(throws: StoreError.self) { try store.pins(in: read) }
  }

  @Test(.mounts) func aFullDiskIsNoBusError() throws {
    let volume = try Volume(.ext4, megabytes: 4)
    let path = volume.path.appending("pins")
    let file = try FileDescriptor.open(
      path, .readWrite, options: [.create, .closeOnExec], permissions: .ownerReadWrite)
    defer { try? file.close() }
    let pins = try store.pins(in: file)
    let id = try node(1)
    let ballast = try Ballast(in: volume.path)
    let error = #expect(throws: StoreError.self) { try store.pin(id, by: pins) }
    #expect(error?.description.contains("free some space") == true)
    #expect(try store.forget(id), "it is not pinned")
    try ballast.remove()
    #expect(try store.pin(node(2), by: pins))
  }

  @Test(.mounts) func whatAnExportLooksUpIsPinned() throws {
    let exported = try Exported(.ext4, isReadOnly: true)
    let (export, store) = (exported.export, exported.store)
    let pins = try store.pinsInMemory()
    let file = try #require(try export.lookup("file", in: .node(.root), pinnedBy: pins))
    #expect(pins.count(of: file.node) == 1)
    #expect(try export.lookup(.token(file.token), pinnedBy: pins).node == file.node)
    #expect(try export.lookup(".", in: .node(file.node), pinnedBy: pins)?.node == file.node)
    _ = try export.lookup("..", in: .node(file.node), pinnedBy: pins)
    #expect(pins.count(of: file.node) == 3 && pins.count(of: export.root) == 1)
    #expect(throws: StoreError.self) {
      try export.lookup("file", in: .node(.root), form: .value(atMost: 33), pinnedBy: pins)
    }
    #expect(throws: StoreError.self) {
      try export.createOrOpen(
        "file", in: .node(.root), as: .readWrite, permissions: 0o600, pinnedBy: pins)
    }
    #expect(pins.count(of: file.node) == 3, "what failed pins nothing")
    let opened = try export.createOrOpen(
      "file", in: .node(.root), as: .readOnly, permissions: 0o600, pinnedBy: pins)
    try #require(opened.descriptor).close()
    #expect(pins.count(of: file.node) == 4)
  }

  /// A server is killed with nodes pinned; the next one has the counts, from the same memory.
  @Test func pinsOutliveAKill() throws {
    let directory = try TemporaryDirectory()
    let (path, file) = (directory.appending("store"), directory.appending("pins"))
    let child = try Child("storeworker", ["pin", path.string, file.string])
    let pinned = try #require(child.line()).split(separator: " ").compactMap { UInt64($0) }
    child.kill()
    #expect(child.wait() == -SIGKILL)
    #expect(pinned.count == 100)
    let store = try Store(at: path, options: StoreOptions(retention: .nodes(0)))
    let descriptor = try FileDescriptor.open(file, .readWrite, options: .closeOnExec)
    let pins = try store.pins(in: descriptor)
    try descriptor.close()
    for (i, id) in pinned.enumerated() {
      #expect(pins.count(of: NodeID(rawValue: id)) == UInt64(i % 3))
    }
    #expect(try store.evict() == 34)
    #expect(
      try store.everyNode().map(\.id.rawValue)
        == pinned.enumerated().filter { $0.offset % 3 > 0 }.map(\.element))
    try store.close()
  }
}

/// How many nodes a store keeps.
@Suite struct RetentionTests {
  @Test func noMoreNodesThanToldAreKept() throws {
    let test = try TestStore(StoreOptions(retention: .nodes(1000)))
    let store = test.store
    let filesystem = try store.attach(Synthetic.directory)
    let pins = try store.pinsInMemory()
    let ids = try store.register(batch: (0..<5000).map { Synthetic.file($0) }, on: filesystem)
      .map(\.node)
    for id in ids where id.rawValue % 10 == 0 { #expect(try store.pin(id, by: pins)) }
    for id in ids where id.rawValue % 7 == 0 { try store.retire(id) }
    #expect(try store.evict() == 4000)
    let kept = try store.everyNode().map(\.id)
    #expect(kept.count == 1000)
    #expect(ids.allSatisfy { pins.count(of: $0) == 0 || kept.contains($0) })
    let free = kept.filter { pins.count(of: $0) == 0 }
    #expect(free == ids.filter { pins.count(of: $0) == 0 }.suffix(free.count), "the oldest go")
    #expect(try store.evict() == 0)
    let again = try store.register(Synthetic.file(0), on: filesystem)
    #expect(again.outcome == .created && again.node > ids[4999])
    try store.close()
    #expect(try Store.check(at: test.path).findings == [])
  }

  @Test func foreverIsForever() throws {
    let test = try TestStore()
    let filesystem = try test.store.attach(Synthetic.directory)
    let id = try test.store.register(Synthetic.file(1), on: filesystem).node
    try test.store.retire(id)
    #expect(try test.store.evict() == 0)
    #expect(try !test.store.forget(id))
    #expect(try test.store.node(id)?.state == .stale)
  }

  @Test func whatIsOldEnoughGoes() throws {
    let test = try TestStore(StoreOptions(retention: .seconds(0)))
    let filesystem = try test.store.attach(Synthetic.directory)
    let ids = try test.store.registerEach(0..<10, on: filesystem).map(\.node)
    try test.store.retire(ids[0])
    #expect(try test.store.evict() == 10)
    try test.reopen(StoreOptions(retention: .seconds(1000)))
    _ = try test.store.attach(Synthetic.directory)
    _ = try test.store.registerEach(0..<10, on: filesystem)
    #expect(try test.store.evict() == 0)
  }

  @Test(.mounts) func theRootOfAnOpenExportIsHeld() throws {
    let test = try TestStore(StoreOptions(retention: .nodes(0)))
    let volume = try Volume(.tmpfs)
    try test.store.attach(volume.path)
    var export = try withDirectory(volume.path) {
      Optional(try test.store.addExport("tree", roots: [$0]))
    }
    let root = try #require(export?.root)
    #expect(try test.store.evict() == 0)
    #expect(try !test.store.forget(root))
    #expect(try export?.lookup(".", in: .node(.root))?.node == root)
    export = nil
    #expect(try test.store.forget(root))
  }

  @Test func aLiveNodeWithAnAliasIsNotDropped() throws {
    let test = try TestStore(StoreOptions(retention: .nodes(0)))
    let store = test.store
    let filesystem = try store.attach(Synthetic.directory)
    let pins = try store.pinsInMemory()
    let lower = Synthetic.file(1)
    let id = try store.register(lower, on: filesystem, pinnedBy: pins).node
    let upper = Synthetic.file(2)
    try store.copyUp(id, to: upper.handle, status: upper.status, on: filesystem)
    #expect(try store.evict() == 0)
    #expect(try store.register(lower, on: filesystem).node == id, "the old handle finds it")
    pins.unpin(id)
    #expect(try store.evict() == 0 && !store.forget(id))
    #expect(try store.aliases(of: id).map(\.handle) == [lower.handle])
    #expect(try store.retire(id) && store.evict() == 1)
    #expect(try store.everyNode().isEmpty && store.aliases(of: id).isEmpty)
  }
}
