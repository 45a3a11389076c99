internal import CLMDB
internal import SystemPackage

/// A return code of LMDB that is not success: one of LMDB's own codes, or an errno.
struct LMDBError: Error, Equatable {
  let code: CInt

  static let notFound = LMDBError(code: MDB_NOTFOUND)
  static let mapFull = LMDBError(code: MDB_MAP_FULL)
  static let mapResized = LMDBError(code: MDB_MAP_RESIZED)
  static let readersFull = LMDBError(code: MDB_READERS_FULL)
  static let corrupted = LMDBError(code: MDB_CORRUPTED)
  static let panic = LMDBError(code: MDB_PANIC)

  /// Whether the code is an errno rather than one of LMDB's own.
  var isErrno: Bool { code > 0 }

  var isDiskFull: Bool { isErrno && Errno(rawValue: code).isDiskFull }

  /// Whether the code means that the file is not as LMDB wrote it.
  var isDamage: Bool {
    [
      MDB_CORRUPTED, MDB_PAGE_NOTFOUND, MDB_INVALID, MDB_VERSION_MISMATCH, MDB_CURSOR_FULL,
      MDB_INCOMPATIBLE,
      // The store gives up a transaction after its first error. So this is the first one, and LMDB
      // found a page that it cannot use.
      MDB_BAD_TXN,
    ].contains(code)
  }

  /// LMDB's text for the code.
  var text: String { unsafe String(cString: mdb_strerror(code)) }
}

/// Throws unless `code` is `MDB_SUCCESS`.
func lmdb(_ code: CInt) throws(LMDBError) {
  guard code == MDB_SUCCESS else { throw LMDBError(code: code) }
}
