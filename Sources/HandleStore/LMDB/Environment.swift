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
  /// `MDB_NOLOCK`: for a directory in which no lock file can be made.
  var noLock = false

  fileprivate var flags: UInt32 {
    var flags = UInt32(MDB_NOTLS | MDB_NORDAHEAD)
    if readOnly { flags |= UInt32(MDB_RDONLY) }
    if noSync { flags |= UInt32(MDB_NOSYNC) }
    if writeMap { flags |= UInt32(MDB_WRITEMAP) }
    if noLock { flags |= UInt32(MDB_NOLOCK) }
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
  let directory: FilePath
  let mode: EnvironmentMode
  let pageSize: Int
  private let pool: ReaderPool

  /// Slots in LMDB's reader table, shared by all processes.
  private static let readers: UInt32 = 1000

  /// `mdb_env_open` on a directory, with a map of at least `mapSize` bytes (0: what the file says).
  init(directory: FilePath, mode: EnvironmentMode, mapSize: Int, tables: UInt32) throws(LMDBError) {
    try Self.allocateLock(directory, mode)
    var created: OpaquePointer?
    try lmdb(unsafe mdb_env_create(&created))
    guard let env = unsafe created else { throw LMDBError(code: ENOMEM) }
    do throws(LMDBError) {
      try lmdb(unsafe mdb_env_set_maxdbs(env, tables))
      try lmdb(unsafe mdb_env_set_maxreaders(env, Self.readers))
      try lmdb(unsafe mdb_env_set_mapsize(env, mapSize))
      try lmdb(
        unsafe directory.withPlatformString { unsafe mdb_env_open(env, $0, mode.flags, 0o600) })
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
    pool = ReaderPool()
    // Those of processes that were killed.
    reapDeadReaders()
  }

  /// Whoever only reads can do without, where the directory does not let it.
  private static func allocateLock(
    _ directory: FilePath, _ mode: EnvironmentMode
  ) throws(LMDBError) {
    guard !mode.noLock else { return }
    do throws(Errno) {
      try LockFile.allocate(in: directory)
    } catch {
      if !mode.readOnly || error == .noSpace { throw LMDBError(code: error.rawValue) }
    }
  }

  /// The newest commit, without a transaction.
  var info: EnvironmentInfo {
    var info = unsafe MDB_envinfo()
    unsafe mdb_env_info(raw, &info)
    return unsafe EnvironmentInfo(
      mapSize: Int(info.me_mapsize), lastPage: Int(info.me_last_pgno),
      transaction: Int(info.me_last_txnid), readers: Int(info.me_numreaders))
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
    try lmdb(unsafe mdb_env_set_mapsize(raw, size))
  }

  /// A snapshot to read from, over when the value is; `nil` once ``stop()`` was called.
  func read() throws(LMDBError) -> ReadTransaction? {
    guard let slot = pool.acquire() else { return nil }
    do throws(LMDBError) {
      return unsafe try ReadTransaction(pool: pool, slot: slot, raw: begin(in: slot))
    } catch {
      pool.release(slot)
      switch error {
      case .mapResized: try resizeMap(to: 0)
      case .readersFull: guard reapDeadReaders() > 0 else { throw error }
      default: throw error
      }
      return try read()
    }
  }

  private func begin(in slot: Int) throws(LMDBError) -> OpaquePointer {
    if let idle = unsafe pool.idle(slot) {
      try lmdb(unsafe mdb_txn_renew(idle))
      return unsafe idle
    }
    var started: OpaquePointer?
    try lmdb(unsafe mdb_txn_begin(raw, nil, UInt32(MDB_RDONLY), &started))
    guard let transaction = unsafe started else { throw LMDBError(code: ENOMEM) }
    unsafe pool.setIdle(slot, transaction)
    return unsafe transaction
  }

  /// The one write transaction; waits for another thread's or process's.
  func write() throws(LMDBError) -> WriteTransaction {
    var started: OpaquePointer?
    try lmdb(unsafe mdb_txn_begin(raw, nil, 0, &started))
    guard let transaction = unsafe started else { throw LMDBError(code: ENOMEM) }
    return unsafe WriteTransaction(raw: transaction)
  }

  /// Opens tables by their names, or makes those that are not there.
  func openTables(
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
  func copy(to directory: FilePath) throws(LMDBError) {
    try lmdb(
      unsafe directory.withPlatformString {
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
    pool.abortAll()
    unsafe mdb_env_close(raw)
    guard trimming,
      let file = try? OwnedDescriptor(
        SystemCalls.open(directory.appending("data.mdb"), flags: SystemCalls.create))
    else { return }
    try? SystemCalls.truncate(file.descriptor, to: used)
  }
}

/// Read transactions that are begun once and then renewed: a slot each thread, shared where there
/// are more threads than slots.
@safe final class ReaderPool: @unchecked Sendable {
  static let slots = 64
  private let busy: [Flag]
  private let stopped = Atomic<Bool>(false)
  private let transactions: UnsafeMutablePointer<OpaquePointer?>

  /// On a cache line of its own.
  private final class Flag: Sendable {
    let taken = Atomic<Bool>(false)
    let pad = (0, 0, 0, 0, 0, 0)
  }

  init() {
    busy = (0..<Self.slots).map { _ in Flag() }
    unsafe transactions = .allocate(capacity: Self.slots)
    unsafe transactions.initialize(repeating: nil, count: Self.slots)
  }

  deinit { unsafe transactions.deallocate() }

  /// A slot for this thread; `nil` once ``stop()`` was called.
  func acquire() -> Int? {
    var slot = SystemCalls.threadNumber % Self.slots
    var turns = 0
    while !take(slot) {
      if stopped.load(ordering: .relaxed) { return nil }
      slot = (slot + 1) % Self.slots
      turns += 1
      if turns % Self.slots == 0 { SystemCalls.yield() }
    }
    return slot
  }

  private func take(_ slot: Int) -> Bool {
    busy[slot].taken.compareExchange(expected: false, desired: true, ordering: .acquiring).exchanged
  }

  func release(_ slot: Int) { busy[slot].taken.store(false, ordering: .releasing) }

  /// The reset transaction of a slot that the caller holds.
  func idle(_ slot: Int) -> OpaquePointer? { unsafe transactions[slot] }
  func setIdle(_ slot: Int, _ transaction: OpaquePointer?) {
    unsafe transactions[slot] = transaction
  }

  func stop() {
    stopped.store(true, ordering: .relaxed)
    for slot in 0..<Self.slots {
      while !take(slot) { SystemCalls.yield() }
    }
  }

  /// Takes every slot; `false`, with none taken, once ``stop()`` was called.
  func lockAll() -> Bool {
    for slot in 0..<Self.slots {
      while !take(slot) {
        if stopped.load(ordering: .relaxed) {
          for taken in 0..<slot { release(taken) }
          return false
        }
        SystemCalls.yield()
      }
    }
    return true
  }

  func unlockAll() {
    for slot in 0..<Self.slots { release(slot) }
  }

  /// Ends the idle transactions; the caller holds every slot.
  func abortAll() {
    for slot in 0..<Self.slots {
      if let transaction = unsafe transactions[slot] { unsafe mdb_txn_abort(transaction) }
      unsafe transactions[slot] = nil
    }
  }
}
