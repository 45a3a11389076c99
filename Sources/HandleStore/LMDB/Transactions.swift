// Keys and values are words of eight bytes and a size in bytes: what the tables hold is made of words,
// and a span of words needs no unsafe code on the floors above.

internal import CLMDB
internal import Glibc

/// A snapshot of an environment. Nested in nothing, short, used by one thread.
@safe struct ReadTransaction: ~Copyable {
  private let pool: ReaderPool
  private let slot: Int
  let raw: OpaquePointer

  init(pool: ReaderPool, slot: Int, raw: OpaquePointer) {
    self.pool = pool
    self.slot = slot
    unsafe self.raw = raw
  }

  /// The number of the commit that this is a snapshot of.
  var number: Int { unsafe Int(mdb_txn_id(raw)) }

  deinit { pool.end(slot) }
}

/// A write transaction: committed once, or undone when the value ends.
@safe struct WriteTransaction: ~Copyable {
  /// Of the environment, which outlives it.
  private unowned(unsafe) let pool: ReaderPool
  let raw: OpaquePointer

  init(pool: ReaderPool, raw: OpaquePointer) {
    unsafe self.pool = pool
    unsafe self.raw = raw
  }

  /// Makes the changes visible and, unless the mode says otherwise, durable.
  consuming func commit() throws(LMDBError) {
    let code = unsafe mdb_txn_commit(raw)
    // Also where it failed: what was written may be found.
    unsafe pool.committed()
    discard self
    try lmdb(code)
  }

  deinit { unsafe mdb_txn_abort(raw) }

  /// Puts a value under a key, in place of an older one.
  func put(
    _ table: Table, _ key: Span<UInt64>, _ keySize: Int, _ value: Span<UInt64>, _ valueSize: Int
  ) throws(LMDBError) {
    try put(table, key, keySize, value, valueSize, flags: 0)
  }

  /// Puts a value under a key above every other.
  func append(
    _ table: Table, _ key: Span<UInt64>, _ keySize: Int, _ value: Span<UInt64>, _ valueSize: Int
  ) throws(LMDBError) {
    try put(table, key, keySize, value, valueSize, flags: UInt32(MDB_APPEND))
  }

  private func put(
    _ table: Table, _ key: Span<UInt64>, _ keySize: Int, _ value: Span<UInt64>, _ valueSize: Int,
    flags: UInt32
  ) throws(LMDBError) {
    let code = unsafe key.withUnsafeBytes { key in
      unsafe value.withUnsafeBytes { value in
        var k = unsafe MDB_val(key, keySize)
        var v = unsafe MDB_val(value, valueSize)
        return unsafe mdb_put(raw, table.dbi, &k, &v, flags)
      }
    }
    try lmdb(code)
  }

  /// Puts a value under a key unless the key has one, which is then copied out.
  ///
  /// - Returns: the length of the value that was there, or `nil` where the new one was put.
  func insert(
    _ table: Table, _ key: Span<UInt64>, _ keySize: Int, _ value: Span<UInt64>, _ valueSize: Int,
    existing: inout MutableSpan<UInt64>
  ) throws(LMDBError) -> Int? {
    var found = unsafe MDB_val()
    let code = unsafe key.withUnsafeBytes { key in
      unsafe value.withUnsafeBytes { value in
        var k = unsafe MDB_val(key, keySize)
        unsafe found = MDB_val(value, valueSize)
        return unsafe mdb_put(raw, table.dbi, &k, &found, UInt32(MDB_NOOVERWRITE))
      }
    }
    if code == MDB_KEYEXIST { return unsafe found.copy(into: &existing) }
    try lmdb(code)
    return nil
  }

  /// Takes a key out; says whether it was there.
  @discardableResult
  func remove(_ table: Table, _ key: Span<UInt64>, _ keySize: Int) throws(LMDBError) -> Bool {
    let code = unsafe key.withUnsafeBytes { key in
      var k = unsafe MDB_val(key, keySize)
      return unsafe mdb_del(raw, table.dbi, &k, nil)
    }
    if code == MDB_NOTFOUND { return false }
    try lmdb(code)
    return true
  }
}

/// What a snapshot and a write transaction have in common.
protocol Reading: ~Copyable {
  var raw: OpaquePointer { get }
}

extension ReadTransaction: Reading {}
extension WriteTransaction: Reading {}

extension Reading where Self: ~Copyable {
  /// Copies the value under a key into `buffer`, as much of it as fits.
  ///
  /// - Returns: the value's whole length, or `nil` where the key has none.
  @inline(__always)
  func get(
    _ table: Table, _ key: Span<UInt64>, _ keySize: Int, into buffer: inout MutableSpan<UInt64>
  ) throws(LMDBError)
    -> Int?
  {
    var value = unsafe MDB_val()
    let code = unsafe key.withUnsafeBytes { key in
      var k = unsafe MDB_val(key, keySize)
      return unsafe mdb_get(raw, table.dbi, &k, &value)
    }
    if code == MDB_NOTFOUND { return nil }
    try lmdb(code)
    return unsafe value.copy(into: &buffer)
  }

  func statistics(_ table: Table) throws(LMDBError) -> TableStatistics {
    var stat = MDB_stat()
    try lmdb(unsafe mdb_stat(raw, table.dbi, &stat))
    // A damaged file may say any number.
    return TableStatistics(
      entries: Int(clamping: stat.ms_entries), depth: Int(stat.ms_depth),
      pages: Int(clamping: stat.ms_branch_pages &+ stat.ms_leaf_pages &+ stat.ms_overflow_pages))
  }

  /// A place in a table, at its first entry at or behind `key`, or at the first of all.
  func cursor(_ table: Table) throws(LMDBError) -> Cursor {
    try unsafe Cursor(raw, table)
  }
}

/// A place in a table. It must not outlive its transaction.
@safe struct Cursor: ~Copyable {
  private let raw: OpaquePointer
  private var key = unsafe MDB_val()
  private var value = unsafe MDB_val()

  fileprivate init(_ transaction: OpaquePointer, _ table: Table) throws(LMDBError) {
    var opened: OpaquePointer?
    try lmdb(unsafe mdb_cursor_open(transaction, table.dbi, &opened))
    guard let cursor = unsafe opened else { throw LMDBError(code: ENOMEM) }
    unsafe raw = cursor
  }

  deinit { unsafe mdb_cursor_close(raw) }

  /// Moves to the first entry whose key is `start` or above; says whether there is one.
  mutating func seek(_ start: Span<UInt64>, _ size: Int) throws(LMDBError) -> Bool {
    let code = unsafe start.withUnsafeBytes { start in
      unsafe key = MDB_val(start, size)
      return unsafe mdb_cursor_get(raw, &key, &value, MDB_SET_RANGE)
    }
    return try Self.found(code)
  }

  /// Moves to the next entry, to the first where there was none before.
  mutating func next() throws(LMDBError) -> Bool {
    try Self.found(unsafe mdb_cursor_get(raw, &key, &value, MDB_NEXT))
  }

  private static func found(_ code: CInt) throws(LMDBError) -> Bool {
    if code == MDB_NOTFOUND { return false }
    try lmdb(code)
    return true
  }

  /// Copies the key out, as much of it as fits; returns its whole length.
  func copyKey(into buffer: inout MutableSpan<UInt64>) -> Int { unsafe key.copy(into: &buffer) }

  /// Copies the value out, as much of it as fits; returns its whole length.
  func copyValue(into buffer: inout MutableSpan<UInt64>) -> Int { unsafe value.copy(into: &buffer) }
}

extension MDB_val {
  /// The first `size` bytes of some words. LMDB copies what it is given and does not write to it.
  @inline(__always)
  fileprivate init(_ words: UnsafeRawBufferPointer, _ size: Int) {
    precondition(size <= words.count, "a value is longer than its words")
    unsafe self.init(
      mv_size: size, mv_data: UnsafeMutableRawPointer(mutating: words.baseAddress))
  }

  /// Copies as much as fits; returns the whole length.
  @inline(__always)
  fileprivate func copy(into buffer: inout MutableSpan<UInt64>) -> Int {
    let size = unsafe mv_size
    unsafe buffer.withUnsafeMutableBytes { target in
      guard let to = target.baseAddress, let from = unsafe mv_data else { return }
      unsafe to.copyMemory(from: from, byteCount: min(size, target.count))
    }
    return size
  }
}
