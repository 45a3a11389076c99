/// The free pages of a commit. LMDB keeps them as a tree: the key is the commit that freed the
/// pages, the value a list of page numbers.
final class FreeList {
  private static let chunk = 8 << 10

  let use: PageUse
  private let file: PageFile
  private let meta: MetaPage
  private let findings: FindingList
  /// Whether the whole list could be read.
  private(set) var isWhole = true

  init(
    _ file: PageFile, _ meta: MetaPage, use: PageUse? = nil,
    findings: FindingList = FindingList(limit: 0)
  ) {
    self.file = file
    self.meta = meta
    self.use = use ?? file.pageUse(meta)
    self.findings = findings
  }

  /// Reads the whole list into ``use``.
  func read() {
    var walk = TreeWalk(
      file, use: use, findings: findings, name: "the free list", order: .integer)
    walk.run(meta.free) { entry in
      do throws(PageFault) {
        try release(entry)
      } catch {
        isWhole = false
        findings.add(error, in: "the free list")
      }
    }
    isWhole = isWhole && walk.isWhole
  }

  private func release(_ entry: LeafEntry) throws(PageFault) {
    switch entry.value {
    case .inline(let range): try release(entry.page.bytes[range], in: entry.page.number)
    case .overflow(let page, let size): try release(page, size: size)
    case .tree: throw PageFault(entry.page.number, "has a value of the wrong kind")
    }
  }

  /// Releases the pages of a list: a count, then that many page numbers. There may be unused space
  /// after them.
  private func release(_ list: ArraySlice<UInt8>, in page: Int) throws(PageFault) {
    try requireCount(list.word(0), size: list.count, in: page)
    for i in 0..<Int(list.word(0)) { release(list.word(8 + 8 * i)) }
  }

  /// Releases the pages of a list that has pages of its own, and reads it piece by piece.
  private func release(_ page: Int, size: Int) throws(PageFault) {
    let count = try file.bytes(from: page, offset: Page.headerSize, count: 8).uint64(at: 0)
    try requireCount(count, size: size, in: page)
    var rest = Int(count) * 8
    var offset = Page.headerSize + 8
    while rest > 0 {
      let piece = try file.bytes(from: page, offset: offset, count: min(rest, Self.chunk))
      for i in stride(from: 0, to: piece.count, by: 8) { release(piece.uint64(at: i)) }
      rest -= piece.count
      offset += piece.count
    }
  }

  private func requireCount(_ count: UInt64, size: Int, in page: Int) throws(PageFault) {
    guard size >= 8 && size.isMultiple(of: 8) && count <= UInt64(size / 8 - 1) else {
      throw PageFault(page, "has a list with an impossible length")
    }
  }

  private func release(_ page: UInt64) {
    guard let fault = use.release(Int(clamping: page)) else { return }
    isWhole = false
    findings.add(fault, in: "data.mdb", kind: .pageUse)
  }
}
