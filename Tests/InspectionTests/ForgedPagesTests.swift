import SystemPackage
import TestSupport
import Testing

@testable import HandleStore

/// Pages that each look sane and do not fit together.
@Suite struct ForgedPagesTests {
  private let small: SmallStore
  private let copy: StoreCopy

  init() throws {
    small = try SmallStore(plain: 400)
    copy = try small.copy()
  }

  /// Checks that some finding is of a kind and names a page, and that a repair ends it without a wrong
  /// answer.
  private func expect(
    _ kind: Finding.Kind, page: Int? = nil, _ text: String,
    location: SourceLocation = #_sourceLocation
  ) throws {
    let report = try copy.check()
    #expect(
      report.findings.contains {
        $0.kind == kind && (page == nil || $0.page == page) && $0.description.contains(text)
      }, "\(report.findings)", sourceLocation: location)
    _ = try copy.repair()
    #expect(try copy.check().findings == [], sourceLocation: location)
    let store = try Store(at: copy.path)
    #expect(
      try small.wrongAnswers(of: store, mayBeRetired: true) == [], sourceLocation: location)
    try store.close()
  }

  // MARK: Trees

  @Test func keysOutOfOrder() throws {
    let leaf = try copy.firstLeaf(of: .nodes).leaf
    let offsets = Array(leaf.bytes[16..<20])
    try copy.patch(leaf, at: 16, Array(offsets[2...] + offsets[..<2]))
    try expect(.page, page: leaf.number, "out of order")
  }

  @Test func aKeyBehindItsSeparator() throws {
    let leaf = try copy.firstLeaf(of: .nodes).leaf
    let last = leaf.keyRange(leaf.count - 1).lowerBound
    try copy.patch(leaf, at: last, Synthetic.little(UInt64(350)))
    try expect(.page, page: leaf.number, "on a later page")
  }

  @Test func aKeyBeforeItsSeparator() throws {
    let (parent, leaf) = try copy.firstLeaf(of: .nodes)
    let branch = try #require(parent)
    let second = try copy.trees().0.page(branch.child(1))
    try copy.patch(second, at: second.keyRange(0).lowerBound, Synthetic.little(UInt64(3)))
    _ = leaf
    try expect(.page, page: second.number, "on an earlier page")
  }

  @Test func aPageUsedTwice() throws {
    let branch = try #require(try copy.firstLeaf(of: .nodes).parent)
    let node = branch.keyRange(1).lowerBound - 8
    try copy.patch(branch, at: node, Synthetic.little(UInt32(branch.child(0))))
    try expect(.pageUse, page: branch.child(0), "used twice")
  }

  @Test func aTreeThatContainsItself() throws {
    let branch = try #require(try copy.firstLeaf(of: .nodes).parent)
    let node = branch.keyRange(1).lowerBound - 8
    try copy.patch(branch, at: node, Synthetic.little(UInt32(branch.number)))
    try expect(.pageUse, page: branch.number, "used twice")
  }

  @Test func aChildOutsideTheFile() throws {
    let branch = try #require(try copy.firstLeaf(of: .nodes).parent)
    let node = branch.keyRange(1).lowerBound - 8
    try copy.patch(branch, at: node, Synthetic.little(UInt32(70_000)))
    try expect(.pageUse, page: 70_000, "not a page of this commit")
  }

  @Test func aLeafOfAnotherTable() throws {
    let branch = try #require(try copy.firstLeaf(of: .nodes).parent)
    let other = try copy.firstLeaf(of: .spill).leaf.number
    let node = branch.keyRange(1).lowerBound - 8
    try copy.patch(branch, at: node, Synthetic.little(UInt32(other)))
    try expect(.pageUse, page: other, "used twice")
  }

  @Test func anotherNumberOfEntries() throws {
    let (file, meta, _) = try copy.trees()
    let names = try file.page(try #require(meta.main.root))
    for i in 0..<names.count where names.key(i).elementsEqual("nodes".utf8) {
      guard case .tree(let range) = names.value(i) else { continue }
      try copy.patch(names, at: range.lowerBound + 32, Synthetic.little(UInt64(7)))
    }
    try expect(.table, "the table `nodes` has 498 entries")
  }

  @Test func aTableThatNoStoreHas() throws {
    let (file, meta, _) = try copy.trees()
    let names = try file.page(try #require(meta.main.root))
    try copy.patch(names, at: names.keyRange(0).lowerBound, Array("b".utf8))
    try expect(.table, page: names.number, "a table that no store has")
  }

  // MARK: The free list

  /// The first list of free pages: its place, and the pages.
  private func firstList() throws -> (page: Page, offset: Int, pages: [UInt64]) {
    let (file, meta, _) = try copy.trees()
    let page = try file.page(try #require(meta.free.root))
    for i in 0..<page.count {
      guard case .inline(let range) = page.value(i) else { continue }
      let count = page.bytes.int(at: range.lowerBound)
      if count > 1 {
        return (
          page, range.lowerBound,
          (1...count).map { page.bytes.uint64(at: range.lowerBound + 8 * $0) }
        )
      }
    }
    throw PageFault(page.number, "has no list")
  }

  @Test func aPageThatIsFreeAndUsed() throws {
    let (page, offset, _) = try firstList()
    let used = try copy.firstLeaf(of: .nodes).leaf.number
    try copy.patch(page, at: offset + 8, Synthetic.little(UInt64(used)))
    try expect(.pageUse, page: used, "both used and in the free list")
  }

  @Test func aPageThatIsFreeTwice() throws {
    let (page, offset, pages) = try firstList()
    try copy.patch(page, at: offset + 8, Synthetic.little(pages[1]))
    try expect(.pageUse, page: Int(pages[1]), "in the free list twice")
  }

  @Test func aPageThatIsLost() throws {
    let (page, offset, pages) = try firstList()
    try copy.patch(page, at: offset, Synthetic.little(UInt64(pages.count - 1)))
    try expect(.pageUse, page: Int(pages[pages.count - 1]), "neither used nor free")
  }

  @Test func aListThatIsTooLong() throws {
    let (page, offset, _) = try firstList()
    try copy.patch(page, at: offset, Synthetic.little(UInt64.max))
    try expect(.page, page: page.number, "a list with an impossible length")
  }

  // MARK: Meta pages

  @Test(arguments: [
    (0, "page's number"), (40, "page size"), (136, "last page"), (144, "on the other meta page"),
    (128, "not in the file"), (94, "impossible depth"), (92, "no store has"),
  ])
  func aMetaPageThatCannotBe(_ offset: Int, _ text: String) throws {
    let meta = try #require(try PageFile(in: OpenDirectory(copy.path)).newest)
    let wrong: [UInt8] =
      switch offset {
      case 144: Synthetic.little(meta.transaction + 1)
      case 92, 94: [0x77]
      default: Synthetic.little(UInt64.max - 1)
      }
    try overwrite(copy.data, at: meta.number * 4096 + offset, wrong)
    let report = try copy.check()
    #expect(
      report.findings.contains {
        $0.kind == .file && $0.page == meta.number && $0.description.contains(text)
      }, "\(report.findings)")
    #expect(throws: StoreError.self) { try Store(at: copy.path) }
    _ = try copy.repair()
    #expect(try copy.check().findings == [])
  }
}
