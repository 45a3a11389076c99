import CYardstick

/// An engine of `maps.h`.
enum Engine: CaseIterable {
  case lmdb, mdbx, sqlite, rocksDB, table

  var name: String {
    switch self {
    case .lmdb: "plain LMDB"
    case .mdbx: "libmdbx"
    case .sqlite: "SQLite"
    case .rocksDB: "RocksDB"
    case .table: "memory"
    }
  }

  var number: Int32 {
    switch self {
    case .lmdb: Int32(MAPS_LMDB)
    case .mdbx: Int32(MAPS_MDBX)
    case .sqlite: Int32(MAPS_SQLITE)
    case .rocksDB: Int32(MAPS_ROCKSDB)
    case .table: Int32(MAPS_TABLE)
    }
  }

  /// What to do if it is not installed.
  var advice: String {
    switch self {
    case .mdbx:
      """
      libmdbx.so is not installed; install the package libmdbx of PyPI, and name the directory of \
      its libmdbx.so in LD_LIBRARY_PATH
      """
    case .sqlite: "it is not installed; install the package libsqlite3-0"
    case .rocksDB: "it is not installed; install the package librocksdb-dev"
    case .lmdb, .table: "it is part of this program"
    }
  }

  var isInstalled: Bool { maps_is_installed(number) != 0 }
}
