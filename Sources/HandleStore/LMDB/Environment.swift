// The wall to LMDB: only this folder calls its functions. Rules of LMDB that the rest of the
// library must know: a process opens an environment only once, and does not use it after fork(2); a
// write transaction belongs to a thread; a map is moved only while no transaction is active, which
// is why every read transaction here is short and comes from one pool.

internal import CLMDB
internal import Glibc
internal import Synchronization
internal import SystemPackage

/// How an environment is opened.
struct EnvironmentMode {
  var readOnly = false
  /// `MDB_NOSYNC`: a commit is not flushed, so a power cut may leave the file torn.
  var noSync = false
  /// `MDB_WRITEMAP`: write through the map. Only if every page of the map has its block.
  var writeMap = false
  /// Whether every page of the map gets its block before LMDB uses it.
  var allocates = false

  fileprivate var flags: UInt32 {
    var flags = UInt32(MDB_NOTLS | MDB_NORDAHEAD)
    if readOnly { flags |= UInt32(MDB_RDONLY) }
    if noSync { flags |= UInt32(MDB_NOSYNC) }
    if writeMap { flags |= UInt32(MDB_WRITEMAP) }
    return flags
  }
}

/// The state of an environment after its newest commit.
struct EnvironmentInfo {
  var mapSize: Int
  var lastPage: Int
  var transaction: Int
  var readers: Int
}

/// The size of a table.
struct TableStatistics {
  var entries: Int
  var depth: Int
}

/// An open `MDB_env` with its pool of read transactions.
@safe final class Environment: @unchecked Sendable {
  /// Changes only in ``reopen(mapSize:)``.
  private(set) var raw: OpaquePointer
  let directory: OpenDirectory
  let mode: EnvironmentMode
  let pageSize: Int
  private let pool: ReaderPool
  private let tables: UInt32

  /// The number of slots in LMDB's reader table, which all processes share.
  private static let readers: UInt32 = 1000

  /// Opens an environment in a directory (`mdb_env_open`), with a map of at least `mapSize` bytes;
  /// 0 means the size that the file states.
  init(
    directory: OpenDirectory, mode: EnvironmentMode, mapSize: Int, tables: UInt32
  ) throws(LMDBError) {
    let env = try unsafe Self.open(directory, mode, mapSize: mapSize, tables: tables)
    var stat = MDB_stat()
    unsafe mdb_env_stat(env, &stat)
    unsafe raw = env
    self.directory = directory
    self.mode = mode
    self.tables = tables
    pageSize = Int(stat.ms_psize)
    // The pool does not count the commits of another process, so a read-only environment keeps no
    // snapshots.
    unsafe pool = ReaderPool(env, reusesSnapshots: !mode.readOnly)
    // Free the slots of processes that were killed.
    reapDeadReaders()
  }

  /// Opens the data that the directory has now, in place of those that were closed, with a map of at least
  /// `mapSize` bytes. The caller has called ``close(trimming:)``. Reads begin again with ``start()``.
  func reopen(mapSize: Int) throws(LMDBError) {
    unsafe raw = try Self.open(directory, mode, mapSize: mapSize, tables: tables)
  }

  /// Lets transactions begin again, after ``reopen(mapSize:)``.
  func start() { unsafe pool.start(raw) }

  private static func open(
    _ directory: OpenDirectory, _ mode: EnvironmentMode, mapSize: Int, tables: UInt32
  ) throws(LMDBError) -> OpaquePointer {
    try allocateLock(directory, mode)
    var created: OpaquePointer?
    try lmdb(unsafe mdb_env_create(&created))
    guard let env = unsafe created else { throw LMDBError(code: ENOMEM) }
    unsafe explainAssertions(of: env)
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
    return unsafe env
  }

  /// Gives the lock file its final size. A reader that may not write the lock file works without
  /// that.
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

  /// The state after the newest commit; needs no transaction.
  var info: EnvironmentInfo {
    var info = unsafe MDB_envinfo()
    unsafe mdb_env_info(raw, &info)
    return unsafe EnvironmentInfo(
      mapSize: Int(clamping: info.me_mapsize), lastPage: Int(clamping: info.me_last_pgno),
      transaction: Int(clamping: info.me_last_txnid), readers: Int(info.me_numreaders))
  }

  /// The descriptor of the data file. LMDB owns it.
  var dataFile: FileDescriptor {
    var fd: CInt = -1
    unsafe mdb_env_get_fd(raw, &fd)
    return FileDescriptor(rawValue: fd)
  }

  /// Frees the slots of readers that died in a transaction; returns their number.
  @discardableResult
  func reapDeadReaders() -> Int {
    var dead: CInt = 0
    unsafe mdb_reader_check(raw, &dead)
    return Int(dead)
  }

  /// Gives the map another size; 0 adopts the size that another process set. Waits for the running
  /// read transactions and holds off new ones. The caller has no write transaction open.
  func resizeMap(to size: Int) throws(LMDBError) {
    guard pool.lockAll() else { return }
    defer { pool.unlockAll() }
    try requireAddresses(for: size)
    try lmdb(unsafe mdb_env_set_mapsize(raw, size))
  }

  /// `mdb_env_set_mapsize` unmaps the old map before it maps the new one. If there are no addresses
  /// for the new one (`RLIMIT_AS`), the environment has no map at all; so check before.
  private func requireAddresses(for size: Int) throws(LMDBError) {
    let wanted = size > 0 ? size : SystemCalls.size(of: dataFile)
    let more = wanted - info.mapSize
    guard more <= 0 || SystemCalls.hasAddresses(more) else { throw LMDBError(code: ENOMEM) }
  }

  /// Returns a snapshot, which ends with the value, or `nil` between ``stop()`` and ``start()``.
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

  /// Begins the only write transaction; waits while another thread or process has it.
  func write() throws(LMDBError) -> WriteTransaction {
    pool.letGo()
    var started: OpaquePointer?
    try lmdb(unsafe mdb_txn_begin(raw, nil, 0, &started))
    guard let transaction = unsafe started else { throw LMDBError(code: ENOMEM) }
    return unsafe WriteTransaction(pool: pool, raw: transaction)
  }

  /// Opens tables by name; if `create` is set, makes missing ones. Returns their numbers for
  /// ``Table``.
  ///
  /// - Parameter names: the names. The keys of a table are numbers in the machine's byte order if
  ///   `integerKeys` is set, else bytes.
  func openTables(
    _ names: [(String, integerKeys: Bool)], create: Bool
  ) throws(LMDBError) -> [UInt32] {
    do throws(LMDBError) {
      return try openTablesOnce(names, create: create)
    } catch .mapResized {
      // Another process has enlarged the map since the environment was opened.
      try resizeMap(to: 0)
    }
    return try openTables(names, create: create)
  }

  private func openTablesOnce(
    _ names: [(String, integerKeys: Bool)], create: Bool
  ) throws(LMDBError) -> [UInt32] {
    var started: OpaquePointer?
    try lmdb(unsafe mdb_txn_begin(raw, nil, create ? 0 : UInt32(MDB_RDONLY), &started))
    guard let transaction = unsafe started else { throw LMDBError(code: ENOMEM) }
    var tables: [UInt32] = []
    for (name, integerKeys) in names {
      let flags = (integerKeys ? MDB_INTEGERKEY : 0) | (create ? MDB_CREATE : 0)
      var dbi: UInt32 = 0
      let code = unsafe mdb_dbi_open(transaction, name, UInt32(flags), &dbi)
      guard code == MDB_SUCCESS else {
        unsafe mdb_txn_abort(transaction)
        throw LMDBError(code: code)
      }
      tables.append(dbi)
    }
    // Commit even if nothing changed: an abort would close the tables again.
    try lmdb(unsafe mdb_txn_commit(transaction))
    return tables
  }

  /// Flushes everything to the disk in every mode.
  func sync() throws(LMDBError) {
    try lmdb(unsafe mdb_env_sync(raw, 1))
  }

  /// Copies the environment, without its free pages, to an empty directory (`mdb_env_copy2`).
  func copy(to directory: OpenDirectory) throws(LMDBError) {
    try lmdb(
      unsafe directory.pathThroughProc.withPlatformString {
        unsafe mdb_env_copy2(raw, $0, UInt32(MDB_CP_COMPACT))
      })
  }

  /// Waits for the running read transactions. None can begin until ``start()``.
  func stop() { pool.stop() }

  /// Closes the environment. The caller has called ``stop()`` and has no write transaction open.
  ///
  /// - Parameter trimming: whether to cut the unused pages off the end of the file.
  func close(trimming: Bool) {
    let used = (info.lastPage + 1) * pageSize
    // Duplicate the descriptor: the file's name may lead to another file by now.
    let file = trimming ? try? OwnedDescriptor(SystemCalls.duplicate(dataFile)) : nil
    pool.abortAll()
    unsafe mdb_env_close(raw)
    if let file { try? SystemCalls.truncate(file.descriptor, to: used) }
  }
}
