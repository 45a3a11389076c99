/// Finds single entries in the trees of a commit.
final class TreeLookup {
  enum Answer {
    case found(LeafEntry)
    case absent
    /// A page on the way is damaged, so the answer is unknown.
    case unreadable
  }

  private static let slots = 2048
  private let file: PageFile
  private let lastPage: Int
  /// A cache of pages by number. Several pages share a slot, which holds the one read last.
  private var cache: [Page?] = Array(repeating: nil, count: slots)

  init(_ file: PageFile, lastPage: Int) {
    self.file = file
    self.lastPage = lastPage
  }

  func find(_ key: ArraySlice<UInt8>, in tree: TreeRecord, _ order: KeyOrder) -> Answer {
    guard var number = tree.root else { return .absent }
    for level in (0..<tree.depth).reversed() {
      guard let page = page(number), page.isLeaf == (level == 0) else { return .unreadable }
      guard let i = page.lastNode(notAbove: key, order) else { return .absent }
      if page.isLeaf {
        return page.key(i) == key ? .found(LeafEntry(page: page, index: i)) : .absent
      }
      number = page.child(i)
    }
    return .unreadable
  }

  private func page(_ number: Int) -> Page? {
    guard (2...max(lastPage, 2)).contains(number) else { return nil }
    if let cached = cache[number % Self.slots], cached.number == number { return cached }
    let page = try? file.page(number)
    cache[number % Self.slots] = page
    return page
  }
}
