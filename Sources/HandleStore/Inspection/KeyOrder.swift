/// The order of a tree's keys.
enum KeyOrder {
  /// Numbers of eight bytes.
  case integer
  /// Bytes in lexicographic order. A key sorts before longer keys that start with it.
  case bytes

  /// Returns whether a key may have this size in bytes.
  func allows(_ size: Int) -> Bool { self == .bytes ? size > 0 : size == 8 }

  func isBefore(_ a: ArraySlice<UInt8>, _ b: ArraySlice<UInt8>) -> Bool {
    switch self {
    case .integer: a.word(0) < b.word(0)
    case .bytes: a.lexicographicallyPrecedes(b)
    }
  }
}

extension Page {
  /// Returns the last node whose key is not above `key`, or `nil` if all keys of a leaf are above
  /// it. The first node of a branch has no lower bound.
  func lastNode(notAbove key: ArraySlice<UInt8>, _ order: KeyOrder) -> Int? {
    var (low, high) = (isLeaf ? 0 : 1, count)
    while low < high {
      let middle = (low + high) / 2
      if order.isBefore(key, self.key(middle)) { high = middle } else { low = middle + 1 }
    }
    return low == 0 ? nil : low - 1
  }

  /// Returns what is wrong with the keys of a page that must lie in `lower..<upper` (`nil` for no
  /// bound), or `nil` if they are right.
  func keyFault(
    _ order: KeyOrder, from lower: ArraySlice<UInt8>?, to upper: ArraySlice<UInt8>?
  ) -> PageFault? {
    let first = isLeaf ? 0 : 1
    for i in first..<max(count, first) {
      guard order.allows(key(i).count) else {
        return PageFault(number, "has a key of the wrong length")
      }
      guard i == first || order.isBefore(key(i - 1), key(i)) else {
        return PageFault(number, "has its keys out of order")
      }
    }
    if let lower, count > first, order.isBefore(key(first), lower) {
      return PageFault(number, "has a key that belongs on an earlier page")
    }
    if let upper, count > first, !order.isBefore(key(count - 1), upper) {
      return PageFault(number, "has a key that belongs on a later page")
    }
    return nil
  }
}
