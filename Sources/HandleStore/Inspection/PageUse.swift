/// What each page of a file is used for, as far as known: two bits a page.
final class PageUse {
  /// The last page that it covers; the first is 2. Pages 0 and 1 are the meta pages.
  let last: Int
  private var used: Bits
  private var free: Bits

  init(lastPage: Int) {
    last = lastPage
    used = Bits(count: lastPage + 1)
    free = Bits(count: lastPage + 1)
  }

  var usedCount: Int { used.set }
  var freeCount: Int { free.set }

  func isFree(_ page: Int) -> Bool { page >= 2 && page <= last && free[page] }

  /// Marks a page as used by a tree. Returns what is wrong with that, if anything, and whether the
  /// page may be read. A page that was taken before must not be read again.
  func take(_ page: Int) -> (fault: PageFault?, mayRead: Bool) {
    guard page >= 2 && page <= last else {
      return (PageFault(page, "is named by a tree but is not a page of this commit"), false)
    }
    guard used.insert(page) else {
      return (PageFault(page, "is used twice"), false)
    }
    return (free[page] ? PageFault(page, "is both used and in the free list") : nil, true)
  }

  /// Marks a page as free. Returns what is wrong with that, or `nil`.
  func release(_ page: Int) -> PageFault? {
    guard page >= 2 && page <= last else {
      return PageFault(page, "is in the free list but is not a page of this commit")
    }
    guard free.insert(page) else { return PageFault(page, "is in the free list twice") }
    return used[page] ? PageFault(page, "is both used and in the free list") : nil
  }

  /// The number of pages that are neither used nor free, and the first of them; `nil` if there are
  /// none.
  var lost: (count: Int, first: Int)? {
    var (count, first) = (0, 0)
    for page in 2..<max(last + 1, 2) where !used[page] && !free[page] {
      if count == 0 { first = page }
      count += 1
    }
    return count == 0 ? nil : (count, first)
  }

  private struct Bits {
    private var words: [UInt64]
    private(set) var set = 0

    init(count: Int) { words = Array(repeating: 0, count: (count + 63) / 64) }

    subscript(i: Int) -> Bool { words[i >> 6] >> UInt64(i & 63) & 1 == 1 }

    /// Sets a bit, and returns whether it was clear.
    mutating func insert(_ i: Int) -> Bool {
      if self[i] { return false }
      words[i >> 6] |= 1 << UInt64(i & 63)
      set += 1
      return true
    }
  }
}
