import SystemPackage
import TestSupport
import Testing

@testable import HandleStore

@Suite struct RepairTests {
  private let small: SmallStore

  init() throws { small = try SmallStore() }

  @Test func repairingASoundStoreChangesNoAnswer() throws {
    let original = try bytes(of: small.data)
    let state = try #require(try StateFile.read(in: OpenDirectory(small.path)))
    for _ in 0..<2 {
      let report = try Store.repair(at: small.path)
      #expect(report.kept == small.nodes.count)
      #expect(report.setAside == 0 && report.retired == 0 && report.originalState == nil)
      #expect(try StateFile.read(in: OpenDirectory(small.path)) == state)
      #expect(try Store.check(at: small.path).findings == [])
    }
    let kept = try names(in: small.path.appending("set-aside"))
    #expect(kept.count == 2)
    #expect(
      try kept.contains { try bytes(of: small.path.appending("set-aside/\($0)")) == original })
    #expect(try names(in: small.path).contains("repair") == false)
    let store = try Store(at: small.path)
    #expect(try small.wrongAnswers(of: store) == [])
    #expect(try small.missing(in: store) == 0)
    // The index knows each file again.
    let filesystem = try Synthetic.attach(to: store)
    let live = try #require(small.nodes.values.first { $0.state == .live && !$0.handle.isSpilled })
    let again = try store.register(
      live.handle, status: FileStatus(inode: 1, mode: Synthetic.mode), on: filesystem)
    #expect(again.node == live.id && again.outcome == .existing)
    try store.close()
  }

  @Test func anOpaqueHandleIsStillKnownByItsInode() throws {
    _ = try Store.repair(at: small.path)
    let store = try Store(at: small.path)
    let filesystem = try Synthetic.attach(to: store)
    let status = FileStatus(inode: 5003, mode: Synthetic.mode)
    let old = try #require(
      try store.node(of: Synthetic.opaque(3, length: 40), on: filesystem)?.id)
    let new = try store.register(Synthetic.opaque(900, length: 40), status: status, on: filesystem)
    #expect(new.outcome == .replaced(old))
    try store.close()
    #expect(try Store.check(at: small.path).findings == [])
  }

  @Test func aKilledRepairCanBeRunAgain() throws {
    let left = small.path.appending("repair")
    try FileDescriptor.makeDirectories([left, left.appending("new"), left.appending("found")])
    try write("half", to: left.appending("new/data.mdb"))
    try write("half", to: left.appending("found/lock.mdb"))
    #expect(try Store.repair(at: small.path).kept == small.nodes.count)
    #expect(try Store.check(at: small.path).findings == [])
    #expect(try !names(in: small.path).contains("repair"))
  }

  @Test func anOpenStoreIsNotRepaired() throws {
    let store = try Store(at: small.path)
    #expect(throws: StoreError.alreadyOpen(path: small.path)) { try Store.repair(at: small.path) }
    #expect(throws: StoreError.alreadyOpen(path: small.path)) { try Store.check(at: small.path) }
    try store.close()
  }

  @Test func lostBranchPagesLoseNoNode() throws {
    let large = try SmallStore(plain: 15_000, spilled: 100)
    let (_, _, trees) = try large.copy().trees()
    #expect(trees[.nodes]?.depth == 3)
    for table in [TableName.nodes, .inodes, .spill] {
      let copy = try large.copy()
      let root = try #require(trees[table]?.root)
      try overwrite(copy.data, at: root * 4096, Filling.noise.bytes(4096, seed: root))
      let report = try copy.repair()
      #expect(report.setAside == 0 && report.retired == 0, "\(table): \(report)")
      let store = try Store(at: copy.path)
      #expect(try large.missing(in: store) == 0)
      #expect(try large.wrongAnswers(of: store) == [])
      try store.close()
    }
  }

  @Test func undisputedRowsAreKeptWithoutMetaPages() throws {
    let copy = try small.copy()
    try overwrite(copy.data, at: 0, Filling.zeros.bytes(8192, seed: 0))
    let report = try copy.repair()
    #expect(report.kept > small.nodes.count / 2)
    #expect(try copy.check().findings == [])
    let store = try Store(at: copy.path)
    for (id, node) in small.nodes {
      if let found = try store.node(id) { #expect(found.handle == node.handle) }
    }
    try store.close()
  }

  @Test func utcTimesAreNames() {
    #expect(UTCTime(seconds: 0).name == "19700101T000000Z")
    #expect(UTCTime(seconds: 951_782_399).name == "20000228T235959Z")
    #expect(UTCTime(seconds: 951_782_400).name == "20000229T000000Z")
    #expect(UTCTime(seconds: 1_767_225_599).name == "20251231T235959Z")
    #expect(UTCTime(seconds: .max).name == "21060207T062815Z")
  }
}

extension FileDescriptor {
  /// Makes directories.
  fileprivate static func makeDirectories(_ paths: [FilePath]) throws {
    for path in paths { try SystemCalls.makeDirectory(path, mode: 0o700) }
  }
}
