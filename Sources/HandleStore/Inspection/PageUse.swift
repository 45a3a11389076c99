/// What the pages of a file are used for, as far as that is known: two bits a page.
final class PageUse {
  /// Pages 2…`last`; 0 and 1 are the meta pages.
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

  func isUsed(_ page: Int) -> Bool { page < 2 || page <= last && used[page] }
  func isFree(_ page: Int) -> Bool { page >= 2 && page <= last && free[page] }

  /// Takes a page for a tree; what is wrong with that, if anything is. A page that was taken before is
  /// not to be read again.
  func take(_ page: Int) -> (fault: PageFault?, mayRead: Bool) {
    guard page >= 2 && page <= last else {
      return (PageFault(page, "is named by a tree and is no page of this commit"), false)
    }
    guard used.insert(page) else {
      return (PageFault(page, "is used twice"), false)
    }
    return (free[page] ? PageFault(page, "is used and in the free list too") : nil, true)
  }

  /// Puts a page into the free list; what is wrong with that, if anything is.
  func release(_ page: Int) -> PageFault? {
    guard page >= 2 && page <= last else {
      return PageFault(page, "is in the free list and is no page of this commit")
    }
    guard free.insert(page) else { return PageFault(page, "is in the free list twice") }
    return used[page] ? PageFault(page, "is in the free list and used too") : nil
  }

  /// The pages that are neither used nor free.
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

    /// Sets a bit; says whether it was clear.
    mutating func insert(_ i: Int) -> Bool {
      if self[i] { return false }
      words[i >> 6] |= 1 << UInt64(i & 63)
      set += 1
      return true
    }
  }
}
