internal import CLMDB
internal import Glibc

/// Adds rows to a table. The search for the place of a row begins at the row that was added last, so
/// adding rows in the order of their keys takes half as long as through the transaction. A cursor
/// cannot outlive its transaction.
@safe struct PutCursor<Key: Stored, Value: Stored>: ~Copyable, ~Escapable {
  private let raw: OpaquePointer

  @_lifetime(borrow transaction)
  init(
    _ table: Table<Key, Value>, in transaction: borrowing WriteTransaction
  ) throws(LMDBError) {
    unsafe raw = try transaction.openCursor(table.dbi)
  }

  deinit { unsafe mdb_cursor_close(raw) }

  /// Puts a value under a key that is above all others in the table. While this cursor is open, rows
  /// may be added to the table only through it: before 0.9.20, LMDB took the page of a cursor that had
  /// appended for the last one.
  @inline(__always)
  func append(_ value: Value, for key: Key) throws(LMDBError) {
    var stored = unsafe MDB_val()
    try lmdb(unsafe put(value, for: key, flags: MDB_APPEND, stored: &stored))
  }

  /// Puts a value under a key unless the key has a value; copies that value to `existing`.
  ///
  /// - Returns: the size of the existing value in bytes, or `nil` if the new value was put.
  @inline(__always)
  func insert(
    _ value: Value, for key: Key, existing: inout Value
  ) throws(LMDBError) -> Int? {
    var stored = unsafe MDB_val()
    let code = unsafe put(value, for: key, flags: MDB_NOOVERWRITE, stored: &stored)
    if code == MDB_KEYEXIST { return unsafe stored.copy(into: &existing) }
    try lmdb(code)
    return nil
  }

  /// - Parameter stored: becomes the value that the key has, if it has one that is kept.
  @inline(__always)
  private func put(
    _ value: Value, for key: Key, flags: Int32, stored: inout MDB_val
  ) -> Int32 {
    let cursor = unsafe raw
    return unsafe key.words.withBytes { keyBytes in
      unsafe value.words.withBytes { bytes in
        var k = unsafe MDB_val(keyBytes, key.size)
        unsafe stored = MDB_val(bytes, value.size)
        return unsafe mdb_cursor_put(cursor, &k, &stored, UInt32(flags))
      }
    }
  }
}
