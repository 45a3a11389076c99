internal import Glibc
internal import Synchronization
internal import SystemPackage

/// A part of a file, mapped as words of shared memory (`mmap(2)`, `MAP_SHARED`); other processes
/// may map it too. A stored word survives the end of the process, kill or not. It need not survive
/// a power cut.
///
/// Any thread may read and write, each word by itself. A thread that reads a word also sees
/// everything that the writer stored before it. Loads and exchanges have one order for all threads.
@safe final class SharedWords: @unchecked Sendable {
  private let words: UnsafeMutablePointer<Atomic<UInt64>>
  let count: Int

  /// Maps `count` words of a file from byte `offset` on, a multiple of the page size. Gives them
  /// blocks on the disk and makes the file longer if needed; new words are 0.
  ///
  /// - Throws: `ENOSPC`, `EDQUOT`, `EFBIG`, `ENOMEM`, `EACCES` if the descriptor is not open for
  ///   writing. The file then has its old length again, and no blocks after its end.
  init(of descriptor: FileDescriptor, from offset: Int = 0, count: Int) throws(Errno) {
    let size = SystemCalls.size(of: descriptor)
    do throws(Errno) {
      unsafe words = try Self.map(descriptor, from: offset, count: count)
    } catch {
      // A call that fails on a full disk keeps the blocks that it got before.
      if SystemCalls.size(of: descriptor) >= size {
        try? SystemCalls.truncate(descriptor, to: size)
      }
      throw error
    }
    self.count = count
  }

  private static func map(
    _ descriptor: FileDescriptor, from offset: Int, count: Int
  ) throws(Errno) -> UnsafeMutablePointer<Atomic<UInt64>> {
    let length = count * 8
    try SystemCalls.allocate(descriptor, from: offset, length: length)
    let address = unsafe mmap(
      nil, length, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor.rawValue, offset)
    guard let address = unsafe address, unsafe address != MAP_FAILED else {
      throw Errno(rawValue: errno)
    }
    return unsafe address.bindMemory(to: Atomic<UInt64>.self, capacity: count)
  }

  deinit { unsafe munmap(words, count * 8) }

  subscript(index: Int) -> UInt64 {
    get {
      check(index)
      return unsafe words[index].load(ordering: .sequentiallyConsistent)
    }
    set {
      check(index)
      unsafe words[index].store(newValue, ordering: .releasing)
    }
  }

  /// Stores `desired` in a word if the word is `expected`; returns whether it was. In one order
  /// with all other loads and exchanges.
  func exchange(_ index: Int, expected: UInt64, desired: UInt64) -> Bool {
    check(index)
    return unsafe words[index].compareExchange(
      expected: expected, desired: desired, ordering: .sequentiallyConsistent
    ).exchanged
  }

  /// Replaces a word by a function of its current value and returns both values. In one order with
  /// all other loads and exchanges.
  @discardableResult
  func change(_ index: Int, _ next: (UInt64) -> UInt64) -> (before: UInt64, after: UInt64) {
    while true {
      let now = self[index]
      let new = next(now)
      if now == new || exchange(index, expected: now, desired: new) { return (now, new) }
    }
  }

  private func check(_ index: Int) { precondition(index >= 0 && index < count) }
}
