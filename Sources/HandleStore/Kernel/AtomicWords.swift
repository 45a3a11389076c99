internal import Glibc
internal import Synchronization

/// Words that any thread may read and write. Each access is atomic; accesses to different words
/// have no order between threads, but for ``load(_:)`` and ``store(_:at:)``.
@safe package final class AtomicWords: @unchecked Sendable {
  private let words: UnsafeMutablePointer<Atomic<UInt64>>
  package let count: Int

  /// Creates `count` words, all zero. A page of them takes memory when a word in it is set (`mmap(2)`;
  /// `calloc(3)` clears memory that was used before).
  package init(count: Int) {
    let memory = unsafe mmap(
      nil, count * MemoryLayout<Atomic<UInt64>>.stride, PROT_READ | PROT_WRITE,
      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard unsafe memory != MAP_FAILED, let memory = unsafe memory else {
      fatalError("there is no memory for \(count) words")
    }
    unsafe words = memory.bindMemory(to: Atomic<UInt64>.self, capacity: count)
    self.count = count
  }

  deinit { unsafe munmap(words, count * MemoryLayout<Atomic<UInt64>>.stride) }

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

  /// Reads a word. Later accesses happen after what came before the ``store(_:at:)`` of its value.
  package func load(_ index: Int) -> UInt64 {
    precondition(index >= 0 && index < count)
    return unsafe words[index].load(ordering: .acquiring)
  }

  /// Sets a word after all earlier accesses of this thread.
  package func store(_ value: UInt64, at index: Int) {
    precondition(index >= 0 && index < count)
    unsafe words[index].store(value, ordering: .releasing)
  }
}
