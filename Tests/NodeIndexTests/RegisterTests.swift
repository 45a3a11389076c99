import SystemPackage
import TestSupport
import Testing

@testable import HandleStore

/// What the contract says of registering, for each engine.
@Suite struct RegisterTests {
  @Test(arguments: Engine.allCases) func aFileHasOneNode(_ engine: Engine) throws {
    let test = try TestIndex(engine)
    let file = Synthetic.file(1)
    let first = try test.register(file)
    #expect(first.outcome == .created && first.generation == test.index.incarnation)
    #expect(
      try test.register(file)
        == Registration(
          node: first.node, generation: first.generation, outcome: .existing))
    #expect(try test.register(file, on: TestIndex.other).node > first.node)
    #expect(try test.index.node(of: file.handle, on: TestIndex.tmpfs)?.id == first.node)
    let node = try #require(try test.node(first.node))
    #expect(node.handle == file.handle && node.state == .live && node.type == .regular)
    #expect(throws: StoreError.unknownFilesystem(FilesystemID(rawValue: 9))) {
      try test.register(file, on: FilesystemID(rawValue: 9))
    }
  }

  @Test(arguments: Engine.allCases) func anInodeThatIsReused(_ engine: Engine) throws {
    let test = try TestIndex(engine)
    let old = try test.register(Synthetic.file(1)).node
    let new = Synthetic.file(1, generation: 2)
    #expect(try test.register(new, .other).outcome == .stale)
    #expect(try test.node(old)?.state == .live)
    let replaced = try test.register(new, .candidate)
    #expect(replaced.outcome == .replaced(old) && replaced.node > old)
    #expect(try test.node(old)?.state == .stale)
    #expect(try test.index.node(of: Synthetic.handle(1), on: TestIndex.tmpfs) == nil)
    // The old file again: it comes late.
    #expect(try test.register(Synthetic.file(1), .other).outcome == .stale)
    // A node that was retired competes with nobody.
    #expect(try test.index.retire(replaced.node, ifItIs: nil))
    #expect(try test.register(Synthetic.file(1)).outcome == .created)
  }

  @Test(arguments: Engine.allCases) func aContestChangesNothing(_ engine: Engine) throws {
    let test = try TestIndex(engine)
    let old = try test.register(Synthetic.file(1)).node
    let results = try test.index.register(
      batch: [Synthetic.file(5), Synthetic.file(1, generation: 2), Synthetic.file(6)],
      on: TestIndex.tmpfs, Survivors())
    guard case .contested(let other) = results[1] else {
      Issue.record("not contested: \(results[1])")
      return
    }
    #expect(other.handle == Synthetic.handle(1))
    #expect(try test.done(results[0]).outcome == .created)
    #expect(try test.done(results[2]).outcome == .created)
    #expect(try test.node(old)?.state == .live)
    #expect(try test.index.count() == 3)
  }

  @Test(arguments: Engine.allCases) func opaqueHandles(_ engine: Engine) throws {
    let test = try TestIndex(engine)
    let fs = TestIndex.unknown
    let one = try test.register(opaque(1, inode: 7), on: fs).node
    // Another file has the same number, and both exist.
    let two = try test.register(opaque(2, inode: 7), on: fs, .both)
    #expect(two.outcome == .created)
    for (file, node) in [(opaque(1, inode: 7), one), (opaque(2, inode: 7), two.node)] {
      #expect(try test.register(file, on: fs).node == node)
      #expect(try test.index.node(of: file.handle, on: fs)?.id == node)
    }
    // The hint is of the file that was registered last, and only that one is asked about.
    let three = try test.register(opaque(3, inode: 7), on: fs, .candidate)
    #expect(three.outcome == .replaced(two.node))
    #expect(try test.node(one)?.state == .live && test.node(two.node)?.state == .stale)
    #expect(try test.register(opaque(4, inode: 7), on: fs, .other).outcome == .stale)
    #expect(try test.index.count() == 3)
  }

  @Test(arguments: Engine.allCases) func parents(_ engine: Engine) throws {
    let test = try TestIndex(engine)
    func file(in parent: UInt64?, links: UInt32) -> FoundFile {
      Synthetic.file(1, parent: parent.map { NodeID(rawValue: $0) }, links: links)
    }
    let id = try test.register(file(in: nil, links: 2)).node
    #expect(try test.node(id)?.parent == nil)
    for parent in [12, 13, 11, 12] as [UInt64] {
      try test.register(file(in: parent, links: 2))
    }
    #expect(try test.node(id)?.parent?.rawValue == 12)
    #expect(try test.index.furtherParents(of: id).map(\.rawValue) == [11, 13])
    #expect(try test.index.recordParent(of: id, file(in: 14, links: 2)))
    #expect(try test.index.furtherParents(of: id).map(\.rawValue) == [11, 13, 14])
    // With one name it is only there.
    #expect(try test.index.recordParent(of: id, file(in: 20, links: 1)))
    #expect(try test.node(id)?.parent?.rawValue == 20)
    #expect(try test.index.furtherParents(of: id) == [])
    #expect(try test.index.retire(id, ifItIs: nil))
    #expect(try !test.index.recordParent(of: id, file(in: 21, links: 1)))
    #expect(try test.node(id)?.parent?.rawValue == 20)
  }

  @Test(arguments: Engine.allCases) func btrfsGenerationsAreNoted(_ engine: Engine) throws {
    let test = try TestIndex(engine)
    func candidate(_ inode: UInt64, _ generation: UInt64) -> FoundFile {
      let bytes =
        Synthetic.little(inode) + Synthetic.little(UInt64(5))
        + Synthetic.little(UInt32(truncatingIfNeeded: generation))
      return FoundFile(
        handle: Synthetic.make(.btrfs, bytes),
        status: FileStatus(inode: inode, mode: Synthetic.mode))
    }
    for (i, generation) in [40, 90, 60].enumerated() {
      try test.register(candidate(UInt64(i), UInt64(generation)), on: TestIndex.btrfs)
    }
    #expect(test.index.filesystems[TestIndex.btrfs]?.newest == 90)
    // A file that is gone proves nothing.
    #expect(try test.register(candidate(0, 99), on: TestIndex.btrfs, .other).outcome == .stale)
    try test.reopen()
    #expect(test.index.filesystems[TestIndex.btrfs]?.newest == 90)
  }
}
