internal import Glibc
internal import Synchronization

/// Words that any thread may read and write. Each access is atomic; accesses to different words
/// have no order between threads, except through the calls that say so.
@safe package final class AtomicWords: @unchecked Sendable {
  private let words: UnsafeMutablePointer<Atomic<UInt64>>
  private let isMapped: Bool
  package let count: Int

  /// Creates `count` words, 1 or more, all zero; `nil` if there is no memory for them. A page of them takes
  /// memory when a word in it is set (`mmap(2)`). `calloc(3)` would clear memory that was used before, and
  /// so take all of it.
  package init?(count: Int) {
    let memory = unsafe mmap(
      nil, count * MemoryLayout<Atomic<UInt64>>.stride, PROT_READ | PROT_WRITE,
      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard unsafe memory != MAP_FAILED, let memory = unsafe memory else { return nil }
    unsafe words = memory.bindMemory(to: Atomic<UInt64>.self, capacity: count)
    self.count = count
    isMapped = true
  }

  /// Creates `count` words, all zero, that take memory at once. If there is none, the process ends, as for any
  /// other object.
  package init(allocating count: Int) {
    unsafe words = .allocate(capacity: count)
    for i in 0..<count { unsafe (words + i).initialize(to: Atomic(0)) }
    self.count = count
    isMapped = false
  }

  deinit {
    if isMapped {
      unsafe munmap(words, count * MemoryLayout<Atomic<UInt64>>.stride)
    } else {
      unsafe words.deallocate()
    }
  }

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

  /// Reads a word. Whoever reads a value of ``store(_:at:)`` also sees what that thread did before. All
  /// threads see calls of this, of ``compareExchange(_:with:at:)`` and of ``increment(_:)`` in one order.
  package func load(_ index: Int) -> UInt64 {
    precondition(index >= 0 && index < count)
    return unsafe words[index].load(ordering: .sequentiallyConsistent)
  }

  /// Sets a word after all earlier accesses of this thread.
  package func store(_ value: UInt64, at index: Int) {
    precondition(index >= 0 && index < count)
    unsafe words[index].store(value, ordering: .releasing)
  }

  /// Sets a word if it has the expected value; returns whether it had.
  func compareExchange(_ expected: UInt64, with value: UInt64, at index: Int) -> Bool {
    precondition(index >= 0 && index < count)
    return unsafe words[index].compareExchange(
      expected: expected, desired: value, ordering: .sequentiallyConsistent
    ).exchanged
  }

  /// Adds to a word.
  func add(_ n: UInt64, to index: Int) {
    precondition(index >= 0 && index < count)
    unsafe words[index].wrappingAdd(n, ordering: .relaxed)
  }

  /// Adds one to a word.
  func increment(_ index: Int) {
    precondition(index >= 0 && index < count)
    unsafe words[index].wrappingAdd(1, ordering: .sequentiallyConsistent)
  }
}
