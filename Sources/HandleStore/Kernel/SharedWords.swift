internal import Glibc
internal import Synchronization
internal import SystemPackage

/// A part of a file, as words in memory that any process may have mapped too (`mmap(2)`,
/// `MAP_SHARED`): what is stored there outlives the process that stored it, killed or not. A power cut
/// it does not.
///
/// Any thread reads and writes, each word by itself. What a thread stored before a word is seen by
/// whoever sees that word. Reading and exchanging are in one order for all.
@safe final class SharedWords: @unchecked Sendable {
  private let words: UnsafeMutablePointer<Atomic<UInt64>>
  let count: Int

  /// Maps `count` words of a file from byte `offset` on, a multiple of the page size. They get blocks
  /// on the disk, and a file that ends before is made longer: words that are new are 0.
  ///
  /// - Throws: `ENOSPC`, `EDQUOT`, `EFBIG`, `ENOMEM`, `EACCES` if the descriptor does not write. Then
  ///   the file is as long as it was, and has no blocks behind its end.
  init(of descriptor: FileDescriptor, from offset: Int = 0, count: Int) throws(Errno) {
    let size = SystemCalls.size(of: descriptor)
    do throws(Errno) {
      unsafe words = try Self.map(descriptor, offset, count)
    } catch {
      // A full disk keeps what it gave until it was full.
      if SystemCalls.size(of: descriptor) >= size {
        try? SystemCalls.truncate(descriptor, to: size)
      }
      throw error
    }
    self.count = count
  }

  private static func map(
    _ descriptor: FileDescriptor, _ offset: Int, _ count: Int
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

  /// Stores a word that has an expected value; says whether it had. In one order with all others.
  func exchange(_ index: Int, expected: UInt64, desired: UInt64) -> Bool {
    check(index)
    return unsafe words[index].compareExchange(
      expected: expected, desired: desired, ordering: .sequentiallyConsistent
    ).exchanged
  }

  /// Gives a word the value that follows from the one it has; returns that. In one order with all
  /// others.
  func change(_ index: Int, _ next: (UInt64) -> UInt64) -> UInt64 {
    while true {
      let now = self[index]
      let new = next(now)
      if now == new || exchange(index, expected: now, desired: new) { return new }
    }
  }

  private func check(_ index: Int) { precondition(index >= 0 && index < count) }
}
