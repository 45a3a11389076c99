// The wall before LMDB: the only folder in which its functions are called. LMDB's rules that the
// rest of the library must know: an environment is opened once in a process and is not used after
// fork(2); a write transaction belongs to a thread; a map is moved only while no transaction is
// active, which is why every read transaction here is short and comes from one pool.

internal import CLMDB
internal import Glibc
internal import Synchronization
internal import SystemPackage

/// How an environment is opened.
struct EnvironmentMode {
  var readOnly = false
  /// `MDB_NOSYNC`: a commit is not flushed, so a power cut may tear the file.
  var noSync = false
  /// `MDB_WRITEMAP`: write through the map. Only where every page of the map has its block.
  var writeMap = false
  /// Whether every page of the map is given its block before LMDB uses it.
  var allocates = false

  fileprivate var flags: UInt32 {
    var flags = UInt32(MDB_NOTLS | MDB_NORDAHEAD)
    if readOnly { flags |= UInt32(MDB_RDONLY) }
    if noSync { flags |= UInt32(MDB_NOSYNC) }
    if writeMap { flags |= UInt32(MDB_WRITEMAP) }
    return flags
  }
}

/// A named database of an environment.
struct Table: Sendable {
  let dbi: UInt32

  /// The pages that are free, by the commit that freed them. Only for reading.
  static let free = Table(dbi: 0)
}

/// What an environment's newest commit looks like.
struct EnvironmentInfo {
  var mapSize: Int
  var lastPage: Int
  var transaction: Int
  var readers: Int
}

/// What a table holds.
struct TableStatistics {
  var entries: Int
  var depth: Int
  var pages: Int
}

/// An open `MDB_env` with its pool of read transactions.
@safe final class Environment: @unchecked Sendable {
  let raw: OpaquePointer
  let directory: OpenDirectory
  let mode: EnvironmentMode
  let pageSize: Int
  private let pool: ReaderPool

  /// Slots in LMDB's reader table, shared by all processes.
  private static let readers: UInt32 = 1000

  /// `mdb_env_open` on a directory, with a map of at least `mapSize` bytes (0: what the file says).
  init(
    directory: OpenDirectory, mode: EnvironmentMode, mapSize: Int, tables: UInt32
  ) throws(LMDBError) {
    try Self.allocateLock(directory, mode)
    var created: OpaquePointer?
    try lmdb(unsafe mdb_env_create(&created))
    guard let env = unsafe created else { throw LMDBError(code: ENOMEM) }
    unsafe Self.explainAssertions(of: env)
    do throws(LMDBError) {
      try lmdb(unsafe mdb_env_set_maxdbs(env, tables))
      try lmdb(unsafe mdb_env_set_maxreaders(env, Self.readers))
      try lmdb(unsafe mdb_env_set_mapsize(env, mapSize))
      try lmdb(
        unsafe directory.pathThroughProc.withPlatformString {
          unsafe mdb_env_open(env, $0, mode.flags, 0o600)
        })
    } catch {
      unsafe mdb_env_close(env)
      throw error
    }
    var stat = MDB_stat()
    unsafe mdb_env_stat(env, &stat)
    unsafe raw = env
    self.directory = directory
    self.mode = mode
    pageSize = Int(stat.ms_psize)
    // What another process commits is not known here.
    unsafe pool = ReaderPool(env, keepsSnapshots: !mode.readOnly)
    // Those of processes that were killed.
    reapDeadReaders()
  }

  /// Makes the lock file as large as LMDB will. A reader works without one if it may not write there.
  private static func allocateLock(
    _ directory: OpenDirectory, _ mode: EnvironmentMode
  ) throws(LMDBError) {
    do throws(Errno) {
      try LockFile.allocate(in: directory)
    } catch {
      if !mode.readOnly || error.isDiskFull || error == .tooManySymbolicLinkLevels {
        throw LMDBError(code: error.rawValue)
      }
    }
  }

  /// The newest commit, without a transaction.
  var info: EnvironmentInfo {
    var info = unsafe MDB_envinfo()
    unsafe mdb_env_info(raw, &info)
    return unsafe EnvironmentInfo(
      mapSize: Int(clamping: info.me_mapsize), lastPage: Int(clamping: info.me_last_pgno),
      transaction: Int(clamping: info.me_last_txnid), readers: Int(info.me_numreaders))
  }

  /// The descriptor of the data file; it stays LMDB's.
  var dataFile: FileDescriptor {
    var fd: CInt = -1
    unsafe mdb_env_get_fd(raw, &fd)
    return FileDescriptor(rawValue: fd)
  }

  /// Frees the slots of readers that died in a transaction; returns how many.
  @discardableResult
  func reapDeadReaders() -> Int {
    var dead: CInt = 0
    unsafe mdb_reader_check(raw, &dead)
    return Int(dead)
  }

  /// Moves the map to another size, waiting for the read transactions under way and holding off new
  /// ones. The caller has no write transaction open. 0 adopts the size another process set.
  func resizeMap(to size: Int) throws(LMDBError) {
    guard pool.lockAll() else { return }
    defer { pool.unlockAll() }
    try requireAddresses(for: size)
    try lmdb(unsafe mdb_env_set_mapsize(raw, size))
  }

  /// `mdb_env_set_mapsize` lets go of the old map before it has the new one, and is without a map where
  /// there are no addresses for that (`RLIMIT_AS`).
  private func requireAddresses(for size: Int) throws(LMDBError) {
    let wanted = size > 0 ? size : SystemCalls.size(of: dataFile)
    let more = wanted - info.mapSize
    guard more <= 0 || SystemCalls.hasAddresses(more) else { throw LMDBError(code: ENOMEM) }
  }

  /// A snapshot to read from, over when the value is; `nil` once ``stop()`` was called.
  func read() throws(LMDBError) -> ReadTransaction? {
    do throws(LMDBError) {
      return try pool.begin()
    } catch .mapResized {
      try resizeMap(to: 0)
    } catch .readersFull {
      guard reapDeadReaders() > 0 else { throw .readersFull }
    }
    return try read()
  }

  /// The one write transaction; waits for another thread's or process's.
  func write() throws(LMDBError) -> WriteTransaction {
    pool.letGo()
    var started: OpaquePointer?
    try lmdb(unsafe mdb_txn_begin(raw, nil, 0, &started))
    guard let transaction = unsafe started else { throw LMDBError(code: ENOMEM) }
    return unsafe WriteTransaction(pool: pool, raw: transaction)
  }

  /// Opens tables by their names, or makes those that are not there.
  func openTables(
    _ names: [(String, integerKeys: Bool)], create: Bool
  ) throws(LMDBError) -> [Table] {
    do throws(LMDBError) {
      return try openTablesOnce(names, create: create)
    } catch .mapResized {
      // By a process that has written since the environment was opened.
      try resizeMap(to: 0)
    }
    return try openTables(names, create: create)
  }

  private func openTablesOnce(
    _ names: [(String, integerKeys: Bool)], create: Bool
  ) throws(LMDBError) -> [Table] {
    var started: OpaquePointer?
    try lmdb(unsafe mdb_txn_begin(raw, nil, create ? 0 : UInt32(MDB_RDONLY), &started))
    guard let transaction = unsafe started else { throw LMDBError(code: ENOMEM) }
    var tables: [Table] = []
    for (name, integerKeys) in names {
      let flags = (integerKeys ? MDB_INTEGERKEY : 0) | (create ? MDB_CREATE : 0)
      var dbi: UInt32 = 0
      let code = unsafe mdb_dbi_open(transaction, name, UInt32(flags), &dbi)
      guard code == MDB_SUCCESS else {
        unsafe mdb_txn_abort(transaction)
        throw LMDBError(code: code)
      }
      tables.append(Table(dbi: dbi))
    }
    // Not aborted even where nothing changed: that would close the tables again.
    try lmdb(unsafe mdb_txn_commit(transaction))
    return tables
  }

  /// Flushes everything to the disk, whatever the mode.
  func sync() throws(LMDBError) {
    try lmdb(unsafe mdb_env_sync(raw, 1))
  }

  /// `mdb_env_copy2` to an empty directory, without the free pages.
  func copy(to directory: OpenDirectory) throws(LMDBError) {
    try lmdb(
      unsafe directory.pathThroughProc.withPlatformString {
        unsafe mdb_env_copy2(raw, $0, UInt32(MDB_CP_COMPACT))
      })
  }

  /// Waits for the read transactions under way; none can be begun from here on.
  func stop() { pool.stop() }

  /// Ends the environment. The caller has called ``stop()`` and has no write transaction open.
  ///
  /// - Parameter trimming: whether to give back what of the file no page uses.
  func close(trimming: Bool) {
    let used = (info.lastPage + 1) * pageSize
    // The file that is open: its name may lead to another one by now.
    let file = trimming ? try? OwnedDescriptor(SystemCalls.duplicate(dataFile)) : nil
    pool.abortAll()
    unsafe mdb_env_close(raw)
    if let file { try? SystemCalls.truncate(file.descriptor, to: used) }
  }
}
