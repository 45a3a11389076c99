internal import Glibc
internal import HandleLocks
internal import Synchronization
internal import SystemPackage

/// The words of a sparse file by index; a word that was never stored is 0. A part of 64 KiB is
/// mapped if the file has data there, or when one of its words is first raised. Reads allocate
/// nothing, except after ``giveBack(where:)``.
///
/// Three levels of address tables lead to a part, without a lock; an entry of a table never changes
/// once it is set. Any thread may make any call.
@safe final class SparseWords: @unchecked Sendable {
  private typealias Table = UnsafeMutablePointer<Atomic<UInt>>
  /// The size of a part, in words.
  private static let part = 1 << 13
  private static let partBits: UInt64 = 13
  private static let tableBits: UInt64 = 17
  /// A file has at most `Int.max` bytes.
  private static let mostWords: UInt64 = 1 << 60

  private let file: OwnedDescriptor
  private let root: Table
  private let made = Locked(Made())
  private let raised = Atomic<Int>(0)

  /// What `deinit` has to free.
  @safe private struct Made {
    /// The parts, by the index of their first word.
    var parts: [UInt64: SharedWords] = [:]
    var tables: [UInt] = []
  }

  /// Opens the words of a file. The descriptor stays the caller's.
  ///
  /// - Throws: `EBADF`, `EACCES` if the file cannot be read and written, `ENOSPC`, `ENOMEM`,
  ///   `EMFILE`.
  init(of descriptor: FileDescriptor) throws(Errno) {
    file = OwnedDescriptor(try SystemCalls.duplicate(descriptor))
    unsafe root = Self.newTable()
    var offset = 0
    while let data = try SystemCalls.data(of: descriptor, from: offset) {
      let first = UInt64(data) / 8 & ~UInt64(Self.part - 1)
      _ = try unsafe grown(first)
      offset = Int(first + UInt64(Self.part)) * 8
    }
    raised.store(indices.count, ordering: .relaxed)
  }

  deinit {
    made.withLock { made in
      for table in made.tables { unsafe free(UnsafeMutableRawPointer(bitPattern: table)) }
    }
    unsafe free(root)
  }

  subscript(index: UInt64) -> UInt64 {
    guard let part = unsafe found(index) else { return 0 }
    return unsafe part._withUnsafeGuaranteedRef { $0[Self.place(index)] }
  }

  /// Adds to a word; the sum stops at the largest `UInt64`.
  ///
  /// - Throws: `EFBIG` if the file cannot be that long, and what mapping a part may throw:
  ///   `ENOSPC`, `ENOMEM`.
  func add(_ count: UInt64, to index: UInt64) throws(Errno) {
    var part = unsafe found(index)
    if unsafe part == nil { unsafe part = try grown(index) }
    unsafe part?._withUnsafeGuaranteedRef { words in
      _ = change(index, of: words) { $0 > .max - count ? .max : $0 + count }
    }
  }

  /// Subtracts from a word, down to 0; returns the new value.
  func subtract(_ count: UInt64, from index: UInt64) -> UInt64 {
    guard let part = unsafe found(index) else { return 0 }
    return unsafe part._withUnsafeGuaranteedRef { words in
      change(index, of: words) { $0 < count ? 0 : $0 - count }
    }
  }

  /// Changes a word, and counts it if it is no longer 0, or now is. Returns the new value.
  private func change(
    _ index: UInt64, of words: SharedWords, _ next: (UInt64) -> UInt64
  ) -> UInt64 {
    let (before, after) = words.change(Self.place(index), next)
    if before == 0 && after != 0 { raised.wrappingAdd(1, ordering: .sequentiallyConsistent) }
    if before != 0 && after == 0 { raised.wrappingSubtract(1, ordering: .sequentiallyConsistent) }
    return after
  }

  /// Sets every word to 0.
  func clear() { for index in indices { _ = subtract(.max, from: index) } }

  /// How many words are not 0.
  var raisedCount: Int { raised.load(ordering: .sequentiallyConsistent) }

  /// The indices of the words that are not 0, in no order.
  var indices: [UInt64] { pages.flatMap(raised) }

  // MARK: Pages

  /// The words of a page of memory, the least that can be given back.
  private static let page: UInt64 = 512

  private func raised(in page: Range<UInt64>) -> [UInt64] {
    guard let part = unsafe found(page.lowerBound) else { return [] }
    return unsafe part._withUnsafeGuaranteedRef { words in
      page.filter { words[Self.place($0)] != 0 }
    }
  }

  /// The pages that take memory, in the order of their indices.
  private var pages: [Range<UInt64>] {
    made.withLock { $0.parts.keys }.sorted().flatMap { first in
      stride(from: first, to: first + UInt64(Self.part), by: Int(Self.page)).map {
        $0..<$0 + Self.page
      }.filter(takesMemory)
    }
  }

  private func takesMemory(_ page: Range<UInt64>) -> Bool {
    do throws(Errno) {
      let data = try SystemCalls.data(of: file.descriptor, from: Int(page.lowerBound) * 8)
      return data.map { $0 < Int(page.upperBound) * 8 } ?? false
    } catch {
      return true
    }
  }

  /// Gives the memory of pages back whose words are all 0 and for which `isUnused` holds. Nobody may
  /// raise a word of such a page meanwhile, except to lower it again at once.
  func giveBack(where isUnused: (Range<UInt64>) throws -> Bool) throws {
    for page in pages where try raised(in: page).isEmpty && isUnused(page) {
      try SystemCalls.punch(file.descriptor, from: Int(page.lowerBound) * 8, length: page.count * 8)
    }
  }

  // MARK: Parts

  private static func place(_ index: UInt64) -> Int { Int(index & UInt64(part - 1)) }

  private static func slot(_ index: UInt64, _ level: UInt64) -> Int {
    Int(index >> (partBits + level * tableBits) & (1 << tableBits - 1))
  }

  private static func newTable() -> Table {
    guard let memory = unsafe calloc(1 << tableBits, MemoryLayout<UInt>.size) else {
      fatalError("no memory for a table of words")
    }
    return unsafe memory.bindMemory(to: Atomic<UInt>.self, capacity: 1 << tableBits)
  }

  private func found(_ index: UInt64) -> Unmanaged<SharedWords>? {
    guard let middle = unsafe Self.table(below: root, of: index, level: 2),
      let last = unsafe Self.table(below: middle, of: index, level: 1),
      let part = unsafe UnsafeRawPointer(
        bitPattern: last[Self.slot(index, 0)].load(ordering: .acquiring))
    else { return nil }
    return unsafe Unmanaged.fromOpaque(part)
  }

  /// Returns the table that the table `above` has for an index, or `nil` if there is none.
  private static func table(below above: Table, of index: UInt64, level: UInt64) -> Table? {
    unsafe Table(bitPattern: above[slot(index, level)].load(ordering: .acquiring))
  }

  /// Returns the part of a word; maps it if necessary.
  private func grown(_ index: UInt64) throws(Errno) -> Unmanaged<SharedWords> {
    guard index < Self.mostWords else { throw .fileTooLarge }
    try made.withLock { (made) throws(Errno) in
      guard unsafe found(index) == nil else { return }
      let words = try SharedWords(
        of: file.descriptor, from: Int(index & ~UInt64(Self.part - 1)) * 8, count: Self.part)
      made.parts[index & ~UInt64(Self.part - 1)] = words
      let middle = unsafe Self.tableOrNew(below: root, of: index, level: 2, &made)
      let last = unsafe Self.tableOrNew(below: middle, of: index, level: 1, &made)
      let part = unsafe UInt(bitPattern: Unmanaged.passUnretained(words).toOpaque())
      unsafe last[Self.slot(index, 0)].store(part, ordering: .releasing)
    }
    guard let part = unsafe found(index) else { fatalError("a part that was just made") }
    return unsafe part
  }

  private static func tableOrNew(
    below above: Table, of index: UInt64, level: UInt64, _ made: inout Made
  ) -> Table {
    if let table = unsafe table(below: above, of: index, level: level) { return unsafe table }
    let new = unsafe newTable()
    made.tables.append(UInt(bitPattern: new))
    unsafe above[slot(index, level)].store(UInt(bitPattern: new), ordering: .releasing)
    return unsafe new
  }
}
