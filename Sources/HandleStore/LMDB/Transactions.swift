internal import CLMDB
internal import Glibc

/// A snapshot of an environment: short, never nested, used by one thread.
@safe struct ReadTransaction: ~Copyable {
  /// The environment's pool; the environment outlives the transaction.
  private let pool: Unmanaged<ReaderPool>
  private let slot: Int
  let raw: OpaquePointer

  init(pool: ReaderPool, slot: Int, raw: OpaquePointer) {
    unsafe self.pool = .passUnretained(pool)
    self.slot = slot
    unsafe self.raw = raw
  }

  /// The number of the commit that this snapshot shows.
  var number: Int { unsafe Int(mdb_txn_id(raw)) }

  deinit { unsafe pool._withUnsafeGuaranteedRef { $0.end(slot) } }
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
  func put<K, V>(_ value: V, for key: K, in table: Table<K, V>) throws(LMDBError) {
    try put(value, for: key, in: table, flags: 0)
  }

  /// Puts a value under a key that is above all others in the table.
  func append<K, V>(_ value: V, for key: K, in table: Table<K, V>) throws(LMDBError) {
    try put(value, for: key, in: table, flags: UInt32(MDB_APPEND))
  }

  @inline(__always)
  private func put<K, V>(
    _ value: V, for key: K, in table: Table<K, V>, flags: UInt32
  ) throws(LMDBError) {
    let code = unsafe key.words.withBytes { keyBytes in
      unsafe value.words.withBytes { bytes in
        var k = unsafe MDB_val(keyBytes, key.size)
        var v = unsafe MDB_val(bytes, value.size)
        return unsafe mdb_put(raw, table.dbi, &k, &v, flags)
      }
    }
    try lmdb(code)
  }

  /// Puts a value under a key unless the key has a value; copies that value to `existing`.
  ///
  /// - Returns: the size of the existing value in bytes, or `nil` if the new value was put.
  @inline(__always)
  func insert<K, V>(
    _ value: V, for key: K, in table: Table<K, V>, existing: inout V
  ) throws(LMDBError) -> Int? {
    var found = unsafe MDB_val()
    let code = unsafe key.words.withBytes { keyBytes in
      unsafe value.words.withBytes { bytes in
        var k = unsafe MDB_val(keyBytes, key.size)
        unsafe found = MDB_val(bytes, value.size)
        return unsafe mdb_put(raw, table.dbi, &k, &found, UInt32(MDB_NOOVERWRITE))
      }
    }
    if code == MDB_KEYEXIST { return unsafe found.copy(into: &existing) }
    try lmdb(code)
    return nil
  }

  /// Removes a key; returns whether it was there.
  @discardableResult
  func remove<K, V>(_ key: K, from table: Table<K, V>) throws(LMDBError) -> Bool {
    let code = unsafe key.words.withBytes { bytes in
      var k = unsafe MDB_val(bytes, key.size)
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
  /// Copies as much of a key's value as fits into `value`.
  ///
  /// - Returns: the whole size of the value in bytes, or `nil` if the key has none.
  @inline(__always)
  func get<K, V>(
    _ key: K, from table: Table<K, V>, into value: inout V
  ) throws(LMDBError) -> Int? {
    var found = unsafe MDB_val()
    let code = unsafe key.words.withBytes { bytes in
      var k = unsafe MDB_val(bytes, key.size)
      return unsafe mdb_get(raw, table.dbi, &k, &found)
    }
    if code == MDB_NOTFOUND { return nil }
    try lmdb(code)
    return unsafe found.copy(into: &value)
  }

  /// Opens a cursor, which the caller closes before the transaction ends.
  func openCursor(_ dbi: UInt32) throws(LMDBError) -> OpaquePointer {
    var opened: OpaquePointer?
    try lmdb(unsafe mdb_cursor_open(raw, dbi, &opened))
    guard let cursor = unsafe opened else { throw LMDBError(code: ENOMEM) }
    return unsafe cursor
  }

  func statistics<K, V>(_ table: Table<K, V>) throws(LMDBError) -> TableStatistics {
    var stat = MDB_stat()
    try lmdb(unsafe mdb_stat(raw, table.dbi, &stat))
    // A damaged file may state any number.
    return TableStatistics(
      entries: Int(clamping: stat.ms_entries), depth: Int(stat.ms_depth))
  }
}

extension MDB_val {
  /// The first `size` bytes of `words`. LMDB copies them and does not write to them.
  @inline(__always)
  init(_ words: UnsafeRawBufferPointer, _ size: Int) {
    precondition(size <= words.count, "a value is longer than its words")
    unsafe self.init(
      mv_size: size, mv_data: UnsafeMutableRawPointer(mutating: words.baseAddress))
  }

  /// Copies as much as fits into a value; returns the whole size in bytes.
  @inline(__always)
  func copy<V: Stored>(into value: inout V) -> Int {
    let size = unsafe mv_size
    unsafe value.words.withMutableBytes { target in
      guard let to = target.baseAddress, let from = unsafe mv_data else { return }
      unsafe to.copyMemory(from: from, byteCount: min(size, target.count))
    }
    return size
  }
}
