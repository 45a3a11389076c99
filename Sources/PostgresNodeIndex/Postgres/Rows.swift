internal import CPostgres

/// What a statement returned. A value is read by its row and column, both from 0, and by its type
/// in SQL; another type than the column has, or a row or column that is not there, is a mistake in
/// the program and traps.
///
/// Values may be read by several threads at a time. Reading one is O(its size).
struct Rows: Sendable {
  private let result: QueryResult

  init(_ result: QueryResult) { self.result = result }

  /// The number of rows (`PQntuples`).
  var count: Int { result.rows }

  /// How many rows the statement inserted, updated, deleted or selected (`PQcmdTuples`); 0 for
  /// statements of other kinds.
  var affected: Int { result.affected }

  /// A value of an `int8`.
  func integer(_ row: Int, _ column: Int) -> Int64? {
    guard let value = unsafe result.value(row, column, .integer) else { return nil }
    return unsafe value.integer(at: 0)
  }

  /// A value of a `bool`.
  func boolean(_ row: Int, _ column: Int) -> Bool? {
    guard let value = unsafe result.value(row, column, .boolean) else { return nil }
    return unsafe value[0] != 0
  }

  /// A value of a `text`.
  func text(_ row: Int, _ column: Int) -> String? {
    guard let value = unsafe result.value(row, column, .text) else { return nil }
    return unsafe String(decoding: value, as: UTF8.self)
  }

  /// A value of a `bytea`.
  func bytes(_ row: Int, _ column: Int) -> [UInt8]? {
    guard let value = unsafe result.value(row, column, .bytes) else { return nil }
    return unsafe Array(value)
  }

  /// Passes a value of a `bytea` to a body, without copying it. Returns `nil` for a null.
  func withBytes<R>(_ row: Int, _ column: Int, _ body: (Span<UInt8>) -> R) -> R? {
    guard let value = unsafe result.value(row, column, .bytes) else { return nil }
    return unsafe body(value.assumingMemoryBound(to: UInt8.self).span)
  }

  /// A value of an `int8[]` of at most one dimension, without nulls in it.
  func integers(_ row: Int, _ column: Int) -> [Int64]? {
    guard let value = unsafe result.value(row, column, .integers) else { return nil }
    let dimensions: Int32 = unsafe value.integer(at: 0)
    if dimensions == 0 { return [] }
    let hasNulls: Int32 = unsafe value.integer(at: 4)
    precondition(dimensions == 1 && hasNulls == 0, "a list of integers was expected")
    let count: Int32 = unsafe value.integer(at: 12)
    return (0..<Int(count)).map { unsafe value.integer(at: 24 + 12 * $0) }
  }
}

/// A `PGresult`, which nobody changes after libpq has returned it.
@safe final class QueryResult: @unchecked Sendable {
  private let raw: OpaquePointer

  /// Takes over a result, which is freed with the object (`PQclear`).
  init(_ raw: OpaquePointer) { unsafe self.raw = raw }

  deinit { unsafe PQclear(raw) }

  var status: ExecStatusType { unsafe PQresultStatus(raw) }
  var rows: Int { unsafe Int(PQntuples(raw)) }
  var affected: Int { unsafe Int(String(cString: PQcmdTuples(raw))) ?? 0 }

  /// The bytes of a value, valid as long as the result; `nil` for a null.
  fileprivate func value(
    _ row: Int, _ column: Int, _ type: PostgresType
  ) -> UnsafeRawBufferPointer? {
    let (row, column) = (CInt(row), CInt(column))
    unsafe precondition(
      row >= 0 && row < PQntuples(raw) && column >= 0 && column < PQnfields(raw),
      "there is no such row or column")
    unsafe precondition(
      PQftype(raw, column) == type.rawValue && PQfformat(raw, column) == 1,
      "the column has another type")
    if unsafe PQgetisnull(raw, row, column) != 0 { return nil }
    return unsafe UnsafeRawBufferPointer(
      start: PQgetvalue(raw, row, column), count: Int(PQgetlength(raw, row, column)))
  }

  /// A field of the server's error (`PQresultErrorField`).
  func errorField(_ field: CInt) -> String? {
    unsafe PQresultErrorField(raw, field).map { unsafe String(cString: $0) }
  }
}

extension UnsafeRawBufferPointer {
  fileprivate func integer<I: FixedWidthInteger & BitwiseCopyable>(at offset: Int) -> I {
    unsafe I(bigEndian: loadUnaligned(fromByteOffset: offset, as: I.self))
  }
}
