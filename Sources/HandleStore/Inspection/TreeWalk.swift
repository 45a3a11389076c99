/// Walks a tree. It reads each page at most once, whatever the pages say.
struct TreeWalk {
  let file: PageFile
  let use: PageUse
  let findings: FindingList
  /// The name of the tree in messages.
  let name: String
  let order: KeyOrder
  /// Whether all pages of the tree were read and none was wrong.
  private(set) var isWhole = true
  private(set) var branches = 0
  private(set) var leaves = 0
  private(set) var overflowPages = 0
  private(set) var entries = 0

  init(
    _ file: PageFile, use: PageUse, findings: FindingList, name: String, order: KeyOrder
  ) {
    self.file = file
    self.use = use
    self.findings = findings
    self.name = name
    self.order = order
  }

  /// Visits the entries of sane pages in order, and compares their number with the tree's record.
  mutating func run(_ tree: TreeRecord, _ visit: (LeafEntry) throws -> Void) rethrows {
    if let fault = tree.fault(lastPage: use.last) {
      isWhole = false
      return findings.add(.table, "\(name) \(fault)")
    }
    if let root = tree.root {
      try walk(root, levels: tree.depth, from: nil, to: nil, visit)
    }
    guard isWhole else { return }
    guard branches == tree.branches, leaves == tree.leaves, entries == tree.entries,
      overflowPages == tree.overflowPages
    else {
      return findings.add(
        .table,
        "\(name) has \(entries) entries on \(branches) + \(leaves) + \(overflowPages) pages, but "
          + "\(tree.entries) on \(tree.branches) + \(tree.leaves) + \(tree.overflowPages) on record"
      )
    }
  }

  private mutating func walk(
    _ number: Int, levels: Int, from lower: ArraySlice<UInt8>?, to upper: ArraySlice<UInt8>?,
    _ visit: (LeafEntry) throws -> Void
  ) rethrows {
    guard take(number), let page = read(number, levels: levels, from: lower, to: upper) else {
      return
    }
    guard page.isLeaf else {
      branches += 1
      for i in 0..<page.count {
        try walk(
          page.child(i), levels: levels - 1, from: i == 0 ? lower : page.key(i),
          to: i + 1 == page.count ? upper : page.key(i + 1), visit)
      }
      return
    }
    leaves += 1
    for i in 0..<page.count {
      let entry = LeafEntry(page: page, index: i)
      entries += 1
      if takeValue(of: entry) { try visit(entry) }
    }
  }

  private mutating func take(_ number: Int) -> Bool {
    let (fault, mayRead) = use.take(number)
    if let fault { report(fault, .pageUse) }
    return mayRead
  }

  private mutating func read(
    _ number: Int, levels: Int, from lower: ArraySlice<UInt8>?, to upper: ArraySlice<UInt8>?
  ) -> Page? {
    do throws(PageFault) {
      let page = try file.page(number)
      guard page.isLeaf == (levels == 1) else {
        throw PageFault(number, "is on the wrong level of the tree")
      }
      if let fault = page.keyFault(order, from: lower, to: upper) { throw fault }
      return page
    } catch {
      report(error, .page)
      return nil
    }
  }

  /// Takes the pages of a value that has pages of its own. Returns whether the value can be read.
  private mutating func takeValue(of entry: LeafEntry) -> Bool {
    guard case .overflow(let first, let size) = entry.value else { return true }
    let count = (Page.headerSize + size - 1) / file.pageSize + 1
    guard count <= use.last, first <= use.last - count + 1 else {
      report(PageFault(entry.page.number, "has a value whose pages are not in the file"), .page)
      return false
    }
    for page in first..<(first + count) where !take(page) { return false }
    overflowPages += count
    do throws(PageFault) {
      try requireOverflow(first, count)
      return true
    } catch {
      report(error, .page)
      return false
    }
  }

  private func requireOverflow(_ first: Int, _ count: Int) throws(PageFault) {
    let header = try file.bytes(from: first, offset: 0, count: Page.headerSize)
    guard header.int(at: 0) == first, header.uint16(at: 10) == Page.Flags.overflow,
      header.uint32(at: 12) == count
    else { throw PageFault(first, "is not the first page of a value") }
  }

  private mutating func report(_ fault: PageFault, _ kind: Finding.Kind) {
    isWhole = false
    findings.add(fault, in: name, kind: kind)
  }
}
