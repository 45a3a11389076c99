// Keys and values are 8-byte words with a size in bytes. The tables hold only words, and a span of
// words needs no unsafe code on the floors above.

internal import CLMDB
internal import Glibc

/// A snapshot of an environment: short, never nested, used by one thread.
@safe struct ReadTransaction: ~Copyable {
  private let pool: ReaderPool
  private let slot: Int
  let raw: OpaquePointer

  init(pool: ReaderPool, slot: Int, raw: OpaquePointer) {
    self.pool = pool
    self.slot = slot
    unsafe self.raw = raw
  }

  /// The number of the commit that this snapshot shows.
  var number: Int { unsafe Int(mdb_txn_id(raw)) }

  deinit { pool.end(slot) }
}

/// A write transaction: committed once, or undone if the value ends without a commit.
@safe struct WriteTransaction: ~Copyable {
  /// The environment's pool; the environment outlives the transaction.
  private unowned(unsafe) let pool: ReaderPool
  let raw: OpaquePointer

  init(pool: ReaderPool, raw: OpaquePointer) {
    unsafe self.pool = pool
    unsafe self.raw = raw
  }

  /// Makes the changes visible and, unless the mode says otherwise, durable.
  consuming func commit() throws(LMDBError) {
    let code = unsafe mdb_txn_commit(raw)
    // Even if the commit failed: readers may find what it wrote.
    unsafe pool.committed()
    discard self
    try lmdb(code)
  }

  deinit { unsafe mdb_txn_abort(raw) }

  /// Puts a value under a key, replacing the key's old value.
  func put(
    _ table: Table, _ key: Span<UInt64>, _ keySize: Int, _ value: Span<UInt64>, _ valueSize: Int
  ) throws(LMDBError) {
    try put(table, key, keySize, value, valueSize, flags: 0)
  }

  /// Puts a value under a key that is above all others in the table.
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

  /// Puts a value under a key unless the key has a value; copies that value to `existing`.
  ///
  /// - Returns: the length of the existing value in bytes, or `nil` if the new value was put.
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

  /// Removes a key; returns whether it was there.
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

/// The reading calls that a snapshot and a write transaction share.
protocol Reading: ~Copyable {
  var raw: OpaquePointer { get }
}

extension ReadTransaction: Reading {}
extension WriteTransaction: Reading {}

extension Reading where Self: ~Copyable {
  /// Copies as much of a key's value as fits into `buffer`.
  ///
  /// - Returns: the value's whole length in bytes, or `nil` if the key has no value.
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
    // A damaged file may state any number.
    return TableStatistics(
      entries: Int(clamping: stat.ms_entries), depth: Int(stat.ms_depth),
      pages: Int(clamping: stat.ms_branch_pages &+ stat.ms_leaf_pages &+ stat.ms_overflow_pages))
  }

  /// Opens a cursor on a table. It has no position before the first ``Cursor/seek(_:_:)`` or
  /// ``Cursor/next()``.
  func cursor(_ table: Table) throws(LMDBError) -> Cursor {
    try unsafe Cursor(raw, table)
  }
}

/// A position in a table. It must not outlive its transaction.
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

  /// Moves to the first entry whose key is `start` or greater; returns whether there is one.
  mutating func seek(_ start: Span<UInt64>, _ size: Int) throws(LMDBError) -> Bool {
    let code = unsafe start.withUnsafeBytes { start in
      unsafe key = MDB_val(start, size)
      return unsafe mdb_cursor_get(raw, &key, &value, MDB_SET_RANGE)
    }
    return try Self.found(code)
  }

  /// Moves to the next entry, or to the first if the cursor has no position; returns whether there
  /// is one.
  mutating func next() throws(LMDBError) -> Bool {
    try Self.found(unsafe mdb_cursor_get(raw, &key, &value, MDB_NEXT))
  }

  private static func found(_ code: CInt) throws(LMDBError) -> Bool {
    if code == MDB_NOTFOUND { return false }
    try lmdb(code)
    return true
  }

  /// Copies as much of the key as fits into `buffer`; returns the key's whole length in bytes.
  func copyKey(into buffer: inout MutableSpan<UInt64>) -> Int { unsafe key.copy(into: &buffer) }

  /// Copies as much of the value as fits into `buffer`; returns the value's whole length in bytes.
  func copyValue(into buffer: inout MutableSpan<UInt64>) -> Int { unsafe value.copy(into: &buffer) }
}

extension MDB_val {
  /// The first `size` bytes of `words`. LMDB copies them and does not write to them.
  @inline(__always)
  fileprivate init(_ words: UnsafeRawBufferPointer, _ size: Int) {
    precondition(size <= words.count, "a value is longer than its words")
    unsafe self.init(
      mv_size: size, mv_data: UnsafeMutableRawPointer(mutating: words.baseAddress))
  }

  /// Copies as much as fits into `buffer`; returns the whole length in bytes.
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
