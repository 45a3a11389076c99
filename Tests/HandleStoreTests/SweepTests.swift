import CTestSupport
import Foundation
import HandleStore
import SystemPackage
import TestSupport
import Testing

/// A look at every watched file.
@Suite(.mounts) struct SweepTests {
  private static let watcher = WatcherID(rawValue: 5)

  /// Files on a filesystem, all of them watched.
  private struct Watched {
    let volume: Volume
    let test: TestStore
    let filesystem: FilesystemID
    var nodes: [NodeID] = []
    var store: Store { test.store }

    init(_ kind: VolumeKind, files: Int, limboLimit: Int = 16_384) throws {
      volume = try Volume(kind)
      test = try TestStore(StoreOptions(limboLimit: limboLimit))
      filesystem = try test.store.attach(volume.path)
      for i in 0..<files {
        // Without data: while btrfs writes data to the disk, it keeps a removed file in existence.
        try write("", to: path(i))
        let id = try test.store.register("\(i)", in: volume.path, on: filesystem).node
        try test.store.watch(id, mask: [.modify, .deleteSelf], by: SweepTests.watcher)
        nodes.append(id)
      }
    }

    func path(_ i: Int) -> FilePath { volume.path.appending("\(i)") }

    /// What a sweep gives out, and what it has looked at.
    func sweep(ending: Bool = false, limit: Int = 1024) throws -> Swept {
      var swept = Swept()
      var start: NodeID? = .root
      while let from = start {
        let step = try store.sweep(from: from, limit: limit)
        swept.add(step)
        start = step.next
        guard ending else { continue }
        for id in step.deletions.nodes { try store.unwatch(id, by: SweepTests.watcher) }
      }
      return swept
    }

    func reopen() throws {
      try test.reopen()
      try test.store.attach(volume.path)
    }
  }

  /// What the steps of a sweep gave out together.
  private struct Swept {
    var nodes: [NodeID] = []
    var overflows = 0
    var present = 0
    var gone = 0
    var skipped = 0

    mutating func add(_ step: SweepStep) {
      nodes += step.deletions.nodes
      overflows += step.deletions.overflowed ? 1 : 0
      present += step.present
      gone += step.gone
      skipped += step.skipped
    }
  }

  @Test(arguments: VolumeKind.allCases) func eachDeletedFileIsReportedOnce(
    _ kind: VolumeKind
  ) throws {
    let watched = try Watched(kind, files: 40)
    let store = watched.store
    #expect(try watched.sweep().nodes.isEmpty)
    for i in 0..<12 { try unlink(watched.path(i)) }
    // Another call finds these.
    #expect(throws: StoreError.stale(watched.nodes[0])) { try store.open(watched.nodes[0]) }
    try store.retire(watched.nodes[1])
    let sweep = try watched.sweep()
    #expect(sweep.nodes.sorted() == Array(watched.nodes[..<12]))
    #expect((sweep.present, sweep.gone, sweep.skipped) == (28, 10, 0))
    #expect(try watched.sweep().nodes.isEmpty)
    for i in 12..<15 { try unlink(watched.path(i)) }
    try watched.reopen()
    #expect(try watched.sweep().nodes.sorted() == Array(watched.nodes[12..<15]))
    try watched.reopen()
    #expect(try watched.sweep().nodes.isEmpty)
    for id in watched.nodes { #expect(try watched.store.watchMask(of: id).rawValue == 0x402) }
  }

  @Test(arguments: [VolumeKind.ext4, .xfs]) func aFileThatTookTheInodeDeletesTheOther(
    _ kind: VolumeKind
  ) throws {
    let watched = try Watched(kind, files: 1)
    var replaced: NodeID?
    try unlink(watched.path(0))
    // XFS frees the inode in the background, which may take a while on a busy machine.
    for i in 0..<500 where replaced == nil {
      usleep(i < 20 ? 0 : 10_000)
      try write("again", to: watched.volume.path.appending("other-\(i)"))
      let found = try watched.store.register(
        "other-\(i)", in: watched.volume.path, on: watched.filesystem)
      if case .replaced(let old) = found.outcome { replaced = old }
    }
    #expect(replaced == watched.nodes[0])
    #expect(try watched.store.deletions() == deletions(watched.nodes))
    #expect(try watched.sweep().nodes.isEmpty)
  }

  @Test func aFileWithAnotherNameOrAReaderIsThere() throws {
    let watched = try Watched(.ext4, files: 3)
    try link(watched.path(0), to: watched.volume.path.appending("other"))
    let reader = try FileDescriptor.open(watched.path(1), .readOnly, options: .closeOnExec)
    for i in 0..<2 { try unlink(watched.path(i)) }
    #expect(try watched.sweep().nodes.isEmpty)
    try reader.close()
    // A process that another test is just starting may have it for a moment.
    var deleted: [NodeID] = []
    for _ in 0..<100 where deleted.isEmpty {
      deleted = try watched.sweep().nodes
      usleep(10_000)
    }
    #expect(deleted == [watched.nodes[1]])
    try unlink(watched.volume.path.appending("other"))
    #expect(try watched.sweep().nodes == [watched.nodes[0]])
  }

  @Test func whatCannotBeReadIsSkipped() throws {
    let watched = try Watched(.ext4, files: 5)
    try unlink(watched.path(0))
    watched.store.detach(watched.filesystem)
    let detached = try watched.sweep()
    #expect(detached.nodes.isEmpty && detached.skipped == 5)
    try watched.store.attach(watched.volume.path)
    #expect(try watched.sweep().nodes == [watched.nodes[0]])
  }

  @Test func aFilesystemThatWasShutDownHasLostNothing() throws {
    let watched = try Watched(.xfs, files: 5)
    try succeed("sync", "-f", watched.volume.path.string)
    let shut = try withDirectory(watched.volume.path) { ts_shut_down($0.rawValue, 2) }
    #expect(shut == 0)
    let sweep = try watched.sweep()
    #expect(sweep.nodes.isEmpty && sweep.overflows == 0 && sweep.gone == 0)
    #expect(sweep.present + sweep.skipped == 5)
  }

  /// More are gone than limbo has room for.
  @Test(arguments: [true, false]) func aSweepOfManyReportsEach(_ ending: Bool) throws {
    let watched = try Watched(.tmpfs, files: 500, limboLimit: 20)
    for i in 0..<400 { try unlink(watched.path(i)) }
    let sweep = try watched.sweep(ending: ending)
    #expect(sweep.nodes.count == 400 && Set(sweep.nodes) == Set(watched.nodes[..<400]))
    #expect(sweep.gone == 400 && sweep.present == 100)
    #expect(ending ? sweep.overflows == 0 : sweep.overflows > 0)
    #expect(try watched.store.limbo().count == (ending ? 0 : 20))
    #expect(try watched.sweep().nodes.isEmpty)
  }

  @Test func afterAnOverflowASweepFindsTheRest() throws {
    let watched = try Watched(.tmpfs, files: 100, limboLimit: 10)
    for i in 0..<30 {
      try unlink(watched.path(i))
      try watched.store.retire(watched.nodes[i])
    }
    for i in 50..<90 { try unlink(watched.path(i)) }
    let first = try watched.store.deletions()
    #expect(first == deletions(Array(watched.nodes[20..<30]), overflowed: true))
    for id in first.nodes { try watched.store.unwatch(id, by: Self.watcher) }
    let sweep = try watched.sweep(ending: true)
    #expect(sweep.nodes.sorted() == Array(watched.nodes[50..<90]) && sweep.overflows == 0)
  }

  /// A step looks at no more nodes, and returns no more deletions, than its caller asked for.
  @Test(arguments: [1, 3, 100]) func aStepIsBounded(_ limit: Int) throws {
    let watched = try Watched(.tmpfs, files: 20)
    for i in 0..<10 { try unlink(watched.path(i)) }
    for i in 5..<10 { try watched.store.retire(watched.nodes[i]) }
    let step = try watched.store.sweep(limit: limit)
    #expect(step.deletions.nodes == Array(watched.nodes[5..<10].prefix(limit)))
    #expect(step.present + step.gone + step.skipped == 0 && step.next == .root)
    let sweep = try watched.sweep(limit: limit)
    #expect((step.deletions.nodes + sweep.nodes).sorted() == Array(watched.nodes[..<10]))
    #expect(sweep.gone == 5 && sweep.present == 10)
    expect(.invalidArgument) { try watched.store.sweep(limit: 0) }
  }
}
