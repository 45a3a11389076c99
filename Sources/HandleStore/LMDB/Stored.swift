/// The words of a key or value. LMDB copies them in and out.
protocol Words {
  func withBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R
  mutating func withMutableBytes<R>(_ body: (UnsafeMutableRawBufferPointer) -> R) -> R
}

extension InlineArray: Words where Element == UInt64 {
  @inline(__always)
  func withBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
    unsafe span.withUnsafeBytes { unsafe body($0) }
  }

  @inline(__always)
  mutating func withMutableBytes<R>(_ body: (UnsafeMutableRawBufferPointer) -> R) -> R {
    var words = mutableSpan
    return unsafe words.withUnsafeMutableBytes { unsafe body($0) }
  }
}

extension [UInt64]: Words {
  func withBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
    unsafe withUnsafeBytes { unsafe body($0) }
  }

  mutating func withMutableBytes<R>(_ body: (UnsafeMutableRawBufferPointer) -> R) -> R {
    unsafe withUnsafeMutableBytes { unsafe body($0) }
  }
}

/// Words of which there are mostly five or fewer. Up to five are stored in place, more on the heap, so that
/// a copy mostly costs little. Words beyond those that were set are zero.
struct FewWords: Words {
  private var first = InlineArray<5, UInt64>(repeating: 0)
  /// All words, if they are more than five.
  private var all: [UInt64]?

  /// Creates words that are zero.
  init(count: Int) {
    if count > 5 { all = [UInt64](repeating: 0, count: count) }
  }

  subscript(i: Int) -> UInt64 {
    @inline(__always) get { all.map { $0[i] } ?? first[i] }
    @inline(__always) set { if all == nil { first[i] = newValue } else { all?[i] = newValue } }
  }

  @inline(__always)
  func withBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
    guard let all else { return unsafe first.withBytes(body) }
    return unsafe all.withBytes(body)
  }

  mutating func withMutableBytes<R>(_ body: (UnsafeMutableRawBufferPointer) -> R) -> R {
    guard var words = all.take() else { return unsafe first.withMutableBytes(body) }
    defer { all = words }
    return unsafe words.withMutableBytes(body)
  }
}

/// A key or value of a table: words of eight bytes, of which the first `size` bytes are stored.
protocol Stored {
  associatedtype Storage: Words

  var words: Storage { get set }
  /// The size in bytes.
  var size: Int { get }

  /// Makes a value to read into. It has room for the longest value that a table may hold.
  init()
}

extension UInt64: Stored {
  var words: InlineArray<1, UInt64> {
    get { [self] }
    set { self = newValue[0] }
  }
  var size: Int { 8 }
}

/// Two numbers in eight bytes each, big-endian, so that LMDB sorts them by the first number and then
/// by the second. It is the key of the tables in which a node may have several rows.
struct NumberPair: Stored, Equatable {
  var first: UInt64
  var second: UInt64

  init(_ first: UInt64, _ second: UInt64) {
    self.first = first
    self.second = second
  }

  init() { self.init(0, 0) }

  var words: InlineArray<2, UInt64> {
    get { [first.bigEndian, second.bigEndian] }
    set { (first, second) = (UInt64(bigEndian: newValue[0]), UInt64(bigEndian: newValue[1])) }
  }
  var size: Int { 16 }
}

/// A named database of an environment.
struct Table<Key: Stored, Value: Stored>: Sendable {
  let dbi: UInt32
}

extension Table where Key == UInt64, Value == UInt64 {
  /// LMDB's own table of free pages: for each commit, the pages that it freed, as a list of page
  /// numbers that begins with its length. Only to be read.
  static var free: Table { Table(dbi: 0) }
}
