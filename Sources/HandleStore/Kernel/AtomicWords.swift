internal import Synchronization

/// Words that any thread reads and writes, each by itself and in no order with the others.
@safe final class AtomicWords: @unchecked Sendable {
  private let words: UnsafeMutablePointer<Atomic<UInt64>>
  let count: Int

  /// `count` zeros.
  init(count: Int) {
    unsafe words = .allocate(capacity: count)
    for i in 0..<count { unsafe (words + i).initialize(to: Atomic(0)) }
    self.count = count
  }

  deinit { unsafe words.deallocate() }

  subscript(index: Int) -> UInt64 {
    get {
      precondition(index >= 0 && index < count)
      return unsafe words[index].load(ordering: .relaxed)
    }
    set {
      precondition(index >= 0 && index < count)
      unsafe words[index].store(newValue, ordering: .relaxed)
    }
  }
}
