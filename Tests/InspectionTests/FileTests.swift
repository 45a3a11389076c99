import Foundation
import SystemPackage
import TestSupport
import Testing

@testable import HandleStore

/// Files that are cut short, foreign, missing or of another version.
@Suite struct FileTests {
  private let small: SmallStore
  private let copy: StoreCopy

  init() throws {
    small = try SmallStore()
    copy = try small.copy()
  }

  private func cut(to length: Int) throws {
    try replace(Array(try bytes(of: small.data)[..<length]), to: copy.data)
  }

  @Test func aFileCutShortIsNeverOpened() throws {
    let size = try bytes(of: small.data).count
    let lengths =
      Array(stride(from: 0, to: size, by: 4096 * 3)) + [1, 100, 4095, 4097, 8193, size - 1]
    for length in lengths {
      try cut(to: length)
      // Pages that are free need not be there.
      if try !copy.check().isSound {
        #expect(throws: StoreError.self, "\(length)") { try Store(at: copy.path) }
        #expect(throws: StoreError.self, "\(length)") {
          try Store(at: copy.path, options: StoreOptions(readOnly: true))
        }
      }
    }
    try cut(to: size - 4096)
    #expect(try !copy.check().isSound || DamageTests.freePages(small.path).last == true)
  }

  @Test func aFileCutShortIsRepaired() throws {
    let size = try bytes(of: small.data).count
    for length in stride(from: 0, to: size, by: 4096 * 5) {
      let copy = try small.copy()
      try replace(Array(try bytes(of: small.data)[..<length]), to: copy.data)
      _ = try copy.repair()
      #expect(try copy.check().findings == [], "\(length)")
      let store = try Store(at: copy.path)
      let wrong = try small.wrongAnswers(of: store, mayBeRetired: true)
      #expect(length < 8192 || wrong == [], "\(length)")
      try store.close()
    }
  }

  /// Damages a meta page after a last commit, which registered a node.
  @Test(arguments: MetaDamage.allCases)
  func theNewestCommitIsNotLostInSilence(_ damage: MetaDamage) throws {
    let store = try Store(at: copy.path)
    let filesystem = try Synthetic.attach(to: store)
    let last = try store.register(
      batch: [Synthetic.file(999_999)], on: filesystem)[0].node
    try store.close()
    let newest = try #require(try PageFile(in: OpenDirectory(copy.path)).newest)
    var data = try bytes(of: copy.data)
    damage.apply(to: &data, newest: newest)
    try replace(data, to: copy.data)
    #expect(try !copy.check().isSound)
    #expect(throws: StoreError.self) { try Store(at: copy.path) }
    #expect(throws: StoreError.self) {
      try Store(at: copy.path, options: StoreOptions(readOnly: true))
    }
    let report = try copy.repair()
    #expect(report.mayLackNewestCommit && !report.isWithoutLoss)
    let repaired = try Store(at: copy.path)
    let isLost = try repaired.node(last) == nil
    // If both commits are there, the free list shows which is the newer one.
    #expect(isLost == [.zeroed, .otherNumber].contains(damage))
    #expect(!isLost || report.mayBeLost > 0)
    #expect(try small.wrongAnswers(of: repaired) == [])
    try repaired.close()
  }

  enum MetaDamage: CaseIterable {
    case zeroed, otherNumber, lowerCommit, higherOldCommit
    /// The numbers follow each other, in the wrong order.
    case olderAsNewer

    func apply(to data: inout [UInt8], newest: MetaPage) {
      let size = newest.pageSize
      let (page, other) = (newest.number * size, (1 - newest.number) * size)
      switch self {
      case .zeroed: for i in page..<page + size { data[i] = 0 }
      case .otherNumber: data[page + 2] ^= 1
      case .lowerCommit:
        for i in 0..<8 { data[page + 144 + i] = 0 }
        data[page + 144] = UInt8(newest.number)
      case .higherOldCommit: data[other + 147] ^= 1
      case .olderAsNewer:
        let number = newest.transaction + 1
        for i in 0..<8 {
          data[other + 144 + i] = UInt8(truncatingIfNeeded: number >> UInt64(8 * i))
        }
      }
    }
  }

  @Test func unwrittenFreePagesAtTheEndAreNoDamage() throws {
    let meta = try #require(try PageFile(in: OpenDirectory(copy.path)).newest)
    // A file whose newest commit has one page more, which is free, and was never written.
    let list = FreeList(try PageFile(in: OpenDirectory(copy.path)), meta)
    list.read()
    let free = (2...meta.lastPage).filter(list.use.isFree)
    #expect(!free.isEmpty)
    var length = meta.lastPage + 1
    while list.use.isFree(length - 1) { length -= 1 }
    try cut(to: length * 4096)
    #expect(try copy.check().findings == [])
    let store = try Store(at: copy.path)
    #expect(try small.wrongAnswers(of: store) == [])
    try store.close()
  }

  @Test(arguments: Filling.allCases)
  func aForeignFile(_ filling: Filling) throws {
    try replace(filling.bytes(100_000, seed: 1), to: copy.data)
    #expect(try copy.check().findings.contains { $0.kind == .file && $0.page == 0 })
    #expect(throws: StoreError.self) { try Store(at: copy.path) }
    #expect(try copy.repair().kept == 0)
    #expect(try copy.check().findings == [])
  }

  @Test func noFile() throws {
    try unlink(copy.data)
    #expect(
      try copy.check().findings.map(\.description)
        == [
          "data.mdb is missing, and up to \(small.nodes.count) nodes that `state` counts are lost"
        ])
    #expect(throws: StoreError.damaged("data.mdb is missing")) { try Store(at: copy.path) }
    #expect(try copy.repair().original == nil)
    #expect(try copy.check().findings == [])
  }

  @Test func anotherVersionOfLMDB() throws {
    for page in 0...1 { try overwrite(copy.data, at: page * 4096 + 20, [2]) }
    let refusal = StoreError.unsupportedVersion(found: 2, supported: 1)
    #expect(throws: refusal) { try copy.check() }
    #expect(throws: refusal) { try Store(at: copy.path) }
    #expect(throws: refusal) { try copy.repair() }
    #expect(try bytes(of: copy.data)[20] == 2)
  }

  @Test func noStore() throws {
    let empty = try TemporaryDirectory()
    #expect(throws: StoreError.noStore(path: empty.path)) { try Store.check(at: empty.path) }
    #expect(throws: StoreError.noStore(path: empty.path)) { try Store.repair(at: empty.path) }
    let nowhere = empty.path.appending("nowhere")
    #expect(throws: StoreError.noStore(path: nowhere)) { try Store.check(at: nowhere) }
    #expect(throws: StoreError.noStore(path: nowhere)) { try Store.repair(at: nowhere) }
    #expect(try names(in: empty.path) == [])
  }

  @Test func aDirectoryThatIsNoStore() throws {
    let other = try TemporaryDirectory()
    try write("a diary", to: other.appending("state"))
    try write("nothing", to: other.appending("data.mdb"))
    #expect(throws: StoreError.self) { try Store.repair(at: other.path) }
    #expect(try names(in: other.path) == ["data.mdb", "state"])
  }

  @Test func theNewestMetaPageDecides() throws {
    // The older one may be in the middle of being written.
    let newest = try #require(try PageFile(in: OpenDirectory(copy.path)).newest)
    let older = 1 - newest.number
    try overwrite(copy.data, at: older * 4096 + 128, [0xff, 0xff, 0xff, 0x7f])
    #expect(try copy.check().findings == [])
    let store = try Store(at: copy.path)
    #expect(try small.wrongAnswers(of: store) == [])
    try store.close()
  }

  @Test func openingReadsOnlyTheMetaPages() throws {
    let size = try #require(
      try FileManager.default.attributesOfItem(atPath: small.data.string)[.size] as? Int)
    let before = try bytesRead()
    let file = try PageFile(in: OpenDirectory(small.path))
    try file.requireWholeMeta(followEachOther: true)
    let count = try bytesRead() - before
    // Two pages, twice, and the beginning of their free lists.
    #expect(count < size / 2, "\(count) of \(size) bytes")
  }

  /// How many bytes this process has read (proc_pid_io(5)).
  private func bytesRead() throws -> Int {
    let words = try read("/proc/self/io").split(whereSeparator: \.isWhitespace)
    return try #require(words.count > 1 && words[0] == "rchar:" ? Int(words[1]) : nil)
  }
}

/// The names in a directory.
func names(in path: FilePath) throws -> [String] {
  try withDirectory(path) { descriptor in
    var entries = DirectoryEntries(of: descriptor)
    var names: [String] = []
    while let entry = try entries.next() { names.append(entry.name.string) }
    return names.sorted()
  }
}
