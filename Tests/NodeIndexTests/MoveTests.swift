import SystemPackage
import TestSupport
import Testing

@testable import HandleStore

/// What the contract says of giving a node another file.
@Suite struct MoveTests {
  private func move(
    _ test: TestIndex, _ id: NodeID, to file: FoundFile, on filesystem: FilesystemID,
    _ survivor: Survivor? = nil
  ) throws -> RegistrationAttempt {
    var survivors = Survivors()
    let first = try test.index.move(id, to: file, on: filesystem, survivors)
    guard case .contested(let other) = first, let survivor else { return first }
    survivors[file.handle, other.handle] = survivor
    return try test.index.move(id, to: file, on: filesystem, survivors)
  }

  @Test(arguments: Engine.allCases) func theOldHandleFindsTheNode(_ engine: Engine) throws {
    let test = try TestIndex(engine)
    let (lower, upper) = (Synthetic.file(1), Synthetic.file(2))
    let id = try test.register(lower).node
    for _ in 0..<2 {
      let moved = try test.done(move(test, id, to: upper, on: TestIndex.other))
      #expect(moved.node == id && moved.outcome == .existing)
    }
    #expect(try test.node(id)?.filesystem == TestIndex.other)
    #expect(try test.index.node(of: lower.handle, on: TestIndex.tmpfs)?.id == id)
    #expect(try test.index.node(of: upper.handle, on: TestIndex.other)?.id == id)
    #expect(try test.register(lower).node == id)
    #expect(try test.register(upper, on: TestIndex.other).node == id)
    let alias = try #require(try test.aliases().first)
    #expect(alias.node == id && alias.handle == lower.handle)
    #expect(alias.filesystem == TestIndex.tmpfs && alias.type == .regular)
    #expect(try test.all().map(\.id) == [id])
    // A stale node keeps its alias until another file gets the key.
    #expect(try test.index.retire(id, ifItIs: nil))
    #expect(try test.index.node(of: lower.handle, on: TestIndex.tmpfs)?.state == .stale)
    let again = try test.register(lower)
    #expect(again.outcome == .created && again.node > id)
    #expect(try test.aliases().isEmpty)
  }

  @Test(arguments: Engine.allCases) func theFileOfAnotherNode(_ engine: Engine) throws {
    let test = try TestIndex(engine)
    let id = try test.register(Synthetic.file(1)).node
    let other = try test.register(Synthetic.file(2)).node
    let moved = try test.done(move(test, id, to: Synthetic.file(2), on: TestIndex.tmpfs))
    #expect(moved.outcome == .replaced(other) && moved.node == id)
    #expect(try test.node(other)?.state == .stale)
    // A file that is gone does not take a node away.
    let third = try test.register(Synthetic.file(3)).node
    let gone = Synthetic.file(3, generation: 9)
    #expect(try test.done(move(test, id, to: gone, on: TestIndex.tmpfs, .other)).outcome == .stale)
    #expect(try test.node(third)?.state == .live)
    #expect(try test.node(id)?.handle == Synthetic.handle(2))
    let last = try test.done(move(test, id, to: gone, on: TestIndex.tmpfs, .candidate))
    #expect(last.outcome == .replaced(third))
  }

  @Test(arguments: Engine.allCases) func opaqueHandles(_ engine: Engine) throws {
    let test = try TestIndex(engine)
    let fs = TestIndex.unknown
    let id = try test.register(opaque(1, inode: 7), on: fs).node
    // The copy has the same number as the original, whose alias has the hint.
    #expect(try test.done(move(test, id, to: opaque(2, inode: 7), on: fs, .both)).node == id)
    #expect(try test.register(opaque(1, inode: 7), on: fs).node == id)
    #expect(try test.register(opaque(2, inode: 7), on: fs).node == id)
    let neighbour = try test.register(opaque(5, inode: 8), on: fs).node
    #expect(
      try test.done(move(test, id, to: opaque(6, inode: 8), on: fs, .both)).outcome
        == .existing)
    #expect(try test.node(neighbour)?.state == .live)
    for number in [1, 2, 6] as [UInt64] {
      #expect(try test.index.node(of: opaque(number, inode: 0).handle, on: fs)?.id == id)
    }
  }

  @Test(arguments: Engine.allCases) func whatCannotBeMoved(_ engine: Engine) throws {
    let test = try TestIndex(engine)
    let id = try test.register(Synthetic.file(1)).node
    #expect(throws: StoreError.otherType(than: id)) {
      try test.index.move(
        id, to: Synthetic.file(2, mode: 0o40755), on: TestIndex.tmpfs, Survivors())
    }
    #expect(throws: StoreError.unknownNode(NodeID(rawValue: 99))) {
      try test.index.move(
        NodeID(rawValue: 99), to: Synthetic.file(2), on: TestIndex.tmpfs, Survivors())
    }
    #expect(try test.index.retire(id, ifItIs: nil))
    #expect(throws: StoreError.stale(id)) {
      try test.index.move(id, to: Synthetic.file(2), on: TestIndex.tmpfs, Survivors())
    }
  }

  /// Whoever found a file gone before it was copied up does not retire the copy's node.
  @Test(arguments: Engine.allCases) func retiringIsConditional(_ engine: Engine) throws {
    let test = try TestIndex(engine)
    let id = try test.register(Synthetic.file(1)).node
    let before = try #require(try test.node(id))
    _ = try test.index.move(
      id, to: Synthetic.file(2), on: TestIndex.tmpfs, Survivors())
    #expect(try !test.index.retire(id, ifItIs: before))
    #expect(try test.node(id)?.state == .live)
    let alias = try #require(try test.aliases().first)
    #expect(try test.index.remove(alias))
    #expect(try !test.index.remove(alias))
    #expect(try test.index.node(of: Synthetic.handle(1), on: TestIndex.tmpfs) == nil)
    let now = try #require(try test.node(id))
    #expect(try test.index.retire(id, ifItIs: now))
    #expect(try !test.index.retire(id, ifItIs: nil))
    #expect(throws: StoreError.unknownNode(NodeID(rawValue: 99))) {
      try test.index.retire(NodeID(rawValue: 99), ifItIs: nil)
    }
  }

  /// Nothing can be opened on a filesystem that was put back, and the copy may be lost with it.
  @Test(arguments: Engine.allCases) func theCopysFilesystemWasPutBack(_ engine: Engine) throws {
    let test = try TestIndex(engine)
    let lower = Synthetic.file(1)
    let id = try test.register(lower).node
    _ = try test.done(move(test, id, to: Synthetic.file(2), on: TestIndex.other))
    try test.index.record(TestIndex.other) { known in
      var known = known
      known?.isSuperseded = true
      return known
    }
    #expect(try test.index.node(of: lower.handle, on: TestIndex.tmpfs)?.id == id)
    let again = try test.register(lower)
    #expect(again.outcome == .created && again.node > id)
    #expect(try test.aliases().isEmpty && test.node(id)?.state == .live)
    #expect(try test.register(lower).node == again.node)
  }

  /// An alias competes for its key as a node does, and the kernel is asked about its handle.
  @Test(arguments: Engine.allCases) func anotherFileWithTheKeyOfAnAlias(_ engine: Engine) throws {
    let test = try TestIndex(engine)
    let (lower, new) = (Synthetic.file(1), Synthetic.file(1, generation: 2))
    let id = try test.register(lower).node
    _ = try test.done(move(test, id, to: Synthetic.file(2), on: TestIndex.other))
    guard
      case .contested(let other) = try test.index.register(new, on: TestIndex.tmpfs, Survivors())
    else {
      Issue.record("nothing is contested")
      return
    }
    #expect(other.handle == lower.handle)
    #expect(throws: CommandFailure.self) { try test.register(new) }
    #expect(try test.register(new, .other).outcome == .stale)
    #expect(try test.aliases().map(\.handle) == [lower.handle])
    let registered = try test.register(new, .candidate)
    #expect(registered.outcome == .created && registered.node != id)
    #expect(try test.aliases().isEmpty && test.node(id)?.state == .live)
    #expect(try test.index.node(of: lower.handle, on: TestIndex.tmpfs) == nil)
    #expect(try test.index.node(of: new.handle, on: TestIndex.tmpfs)?.id == registered.node)
  }

  @Test(arguments: Engine.allCases) func theCopyIsInItsOwnDirectory(_ engine: Engine) throws {
    let test = try TestIndex(engine)
    let (lower, upper) = (NodeID(rawValue: 5), NodeID(rawValue: 6))
    let id = try test.register(Synthetic.file(1, parent: lower)).node
    _ = try test.done(move(test, id, to: Synthetic.file(2), on: TestIndex.tmpfs))
    #expect(try test.node(id)?.parent == lower)
    _ = try test.done(move(test, id, to: Synthetic.file(3, parent: upper), on: TestIndex.tmpfs))
    #expect(try test.node(id)?.parent == upper)
  }

  /// A file may be moved to and fro, and to the same inode.
  @Test(arguments: Engine.allCases) func backAgain(_ engine: Engine) throws {
    let test = try TestIndex(engine)
    let files = [Synthetic.file(1), opaque(2, inode: 2), Synthetic.file(3)]
    let filesystems = [TestIndex.tmpfs, TestIndex.unknown, TestIndex.other]
    let id = try test.register(files[0]).node
    for step in [1, 2, 0, 1, 0] {
      let moved = try test.done(move(test, id, to: files[step], on: filesystems[step]))
      #expect(moved.node == id && moved.outcome == .existing)
      #expect(try test.node(id)?.handle == files[step].handle)
    }
    #expect(try Set(test.aliases().map(\.handle)) == [files[1].handle, files[2].handle])
    for (file, filesystem) in zip(files, filesystems) {
      #expect(try test.index.node(of: file.handle, on: filesystem)?.id == id)
      #expect(try test.register(file, on: filesystem).node == id)
    }
    let reused = Synthetic.file(1, generation: 2)
    #expect(try test.done(move(test, id, to: reused, on: TestIndex.tmpfs)).node == id)
    #expect(try test.aliases().count == 2)
    #expect(try test.index.node(of: files[0].handle, on: TestIndex.tmpfs) == nil)
    #expect(try test.index.retire(id, ifItIs: nil))
    #expect(try test.index.dropAgreed(Dropping(ids: [id], isHeld: { _ in false })) == 1)
    #expect(try test.aliases().isEmpty && test.index.count() == 0)
  }
}
