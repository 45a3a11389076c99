internal import Synchronization

/// Words that any thread may read and write. Each access is atomic; accesses to different words
/// have no order between threads.
@safe package final class AtomicWords: @unchecked Sendable {
  private let words: UnsafeMutablePointer<Atomic<UInt64>>
  package let count: Int

  /// Creates `count` words, all zero.
  package init(count: Int) {
    unsafe words = .allocate(capacity: count)
    for i in 0..<count { unsafe (words + i).initialize(to: Atomic(0)) }
    self.count = count
  }

  deinit { unsafe words.deallocate() }

  package subscript(index: Int) -> UInt64 {
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
