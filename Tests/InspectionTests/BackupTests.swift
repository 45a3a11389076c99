import SystemPackage
import TestSupport
import Testing

@testable import HandleStore

@Suite struct BackupTests {
  private let small: SmallStore
  private let directory: TemporaryDirectory
  private var target: FilePath { directory.appending("backup") }

  init() throws {
    small = try SmallStore()
    directory = try TemporaryDirectory()
  }

  /// Opens a backup and compares it with what was backed up.
  private func expectWhole(_ path: FilePath, idsAbove bound: UInt64) throws {
    #expect(try Store.check(at: path).findings == [])
    let store = try Store(at: path)
    #expect(try small.missing(in: store) == 0)
    #expect(try small.wrongAnswers(of: store) == [])
    let filesystem = try Synthetic.attach(to: store)
    let next = try store.register(Synthetic.file(1 << 50), on: filesystem).node
    #expect(next.rawValue >= bound + 1 << 40)
    try store.close()
  }

  @Test(arguments: [false, true])
  func aBackupIsTheStore(_ readOnly: Bool) throws {
    let bound = try #require(try StateFile.read(in: OpenDirectory(small.path))?.idBound)
    let store = try Store(at: small.path, options: StoreOptions(readOnly: readOnly))
    try store.backup(to: target)
    let state = try #require(try StateFile.read(in: OpenDirectory(target)))
    #expect(state.session == .closed && state.incarnation == store.incarnation)
    try store.close()
    try expectWhole(target, idsAbove: bound)
    // The original goes on as it was.
    #expect(try Store.check(at: small.path).findings == [])
  }

  @Test func aBackupIsCompact() throws {
    let store = try Store(at: small.path)
    try store.backup(to: target)
    try store.close()
    #expect(try Store.check(at: target).freePages == 0)
  }

  @Test func anEmptyDirectoryWillDo() throws {
    try SystemCalls.makeDirectory(target, mode: 0o700)
    let store = try Store(at: small.path)
    try store.backup(to: target)
    try store.close()
    try expectWhole(target, idsAbove: 2)
  }

  @Test func nothingIsWrittenOver() throws {
    let store = try Store(at: small.path)
    let file = directory.appending("precious")
    try write("precious", to: file)
    #expect(throws: StoreError.self) { try store.backup(to: directory.path) }
    #expect(throws: StoreError.self) { try store.backup(to: file) }
    #expect(throws: StoreError.self) { try store.backup(to: directory.appending("no/where")) }
    #expect(throws: StoreError.self) { try store.backup(to: small.path) }
    try store.close()
    #expect(try names(in: directory.path) == ["precious"])
    #expect(throws: StoreError.closed) { try store.backup(to: target) }
  }

  @Test func aSummaryCountsWhatThereIs() throws {
    let store = try Store(at: small.path)
    let summary = try store.summary()
    try store.close()
    let report = try Store.check(at: small.path)
    #expect(summary.nodes == report.nodes && summary.live == report.live)
    #expect(summary.stale == report.stale && summary.spilled == report.spilled)
    #expect(summary.usedPages == report.pages && summary.freePages == report.freePages)
    #expect(summary.pageSize == report.pageSize)
    #expect(summary.nodesDepth == 2 && summary.inodesDepth == 2)
    #expect(summary.readers >= 1 && summary.bytesPerNode > 48)
    let spilled = StoreSummary.Group(
      filesystem: small.filesystem, handleType: HandleType(rawValue: 0x99), state: .live)
    #expect(
      summary.counts[spilled]
        == small.nodes.values.count { $0.handle.isSpilled && $0.state == .live })
  }

  /// The reader's map is smaller than the data when it begins to copy.
  @Test func aCopyByAReaderWhoseMapIsTooSmall() throws {
    let directory = try TemporaryDirectory()
    let store = try Store(at: directory.appending("store"))
    let filesystem = try Synthetic.attach(to: store)
    let copy = directory.appending("copy")
    let reader = try Child("storeworker", ["copy", store.path.string, copy.string])
    #expect(reader.line() == "open")
    for batch in 0..<UInt64(20) {
      let keys = (batch * 1000)..<((batch + 1) * 1000)
      _ = try store.register(batch: keys.map { Synthetic.file($0) }, on: filesystem)
    }
    reader.send("copy")
    #expect(reader.line() == "copied")
    #expect(try Store.check(at: copy).live == 20_000)
    try store.close()
  }
}
