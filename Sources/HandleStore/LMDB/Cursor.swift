internal import CLMDB

/// A position in a table. A cursor cannot outlive its transaction.
@safe struct Cursor<Key: Stored, Value: Stored>: ~Copyable, ~Escapable {
  private let raw: OpaquePointer
  private var foundKey = unsafe MDB_val()
  private var foundValue = unsafe MDB_val()

  /// Opens a cursor. It has no position before the first ``seek(_:)`` or ``next()``.
  @_lifetime(borrow transaction)
  init(
    _ table: Table<Key, Value>, in transaction: borrowing some Reading & ~Copyable
  ) throws(LMDBError) {
    unsafe raw = try transaction.openCursor(table.dbi)
  }

  deinit { unsafe mdb_cursor_close(raw) }

  /// Moves to the first row whose key is `start` or greater; returns whether there is one.
  @_lifetime(self: copy self)
  mutating func seek(_ start: Key) throws(LMDBError) -> Bool {
    try move(MDB_SET_RANGE, from: start)
  }

  /// Moves to the next row, or to the first if the cursor has no position; returns whether there is
  /// one.
  @_lifetime(self: copy self)
  mutating func next() throws(LMDBError) -> Bool {
    try move(MDB_NEXT, from: Key())
  }

  @_lifetime(self: copy self)
  private mutating func move(
    _ operation: MDB_cursor_op, from start: Key
  ) throws(LMDBError) -> Bool {
    let cursor = unsafe raw
    var key = unsafe MDB_val()
    var value = unsafe MDB_val()
    let code = unsafe start.words.withBytes { bytes in
      unsafe key = MDB_val(bytes, start.size)
      return unsafe mdb_cursor_get(cursor, &key, &value, operation)
    }
    unsafe foundKey = key
    unsafe foundValue = value
    if code == MDB_NOTFOUND { return false }
    try lmdb(code)
    return true
  }

  /// The key of the row, or as much of it as `Key` has room for.
  var key: Key {
    var key = Key()
    _ = unsafe foundKey.copy(into: &key)
    return key
  }

  /// The whole size of the row's key in bytes.
  var keySize: Int { unsafe foundKey.mv_size }

  /// The value of the row, or as much of it as `Value` has room for.
  var value: Value {
    var value = Value()
    _ = unsafe foundValue.copy(into: &value)
    return value
  }

  /// The whole size of the row's value in bytes.
  var valueSize: Int { unsafe foundValue.mv_size }
}
