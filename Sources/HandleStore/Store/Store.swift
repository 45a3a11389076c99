internal import Synchronization
public import SystemPackage

/// A store of file handles: for every file that a server has shown to a client, the node id that the
/// client was given and the kernel file handle by which the file is found again.
///
/// A store is a directory, not a path: if the directory is renamed while the store is open, the store
/// goes with it. A copy of the directory is a store of its own, which hands out other ids
/// (Docs/Copies.md). One process has it open for writing, and any number read it meanwhile. In
/// a process it is open once, and used from any thread; every call here may be made from any thread
/// and waits for none but the disk and, where it changes something, for the changes before it. After
/// `fork(2)` the child cannot use it (``StoreError/forked``).
///
/// ```swift
/// let store = try Store(at: "/var/lib/server/nodes")
/// let filesystem = try store.attach(exportDirectory)
/// let file = try FoundFile(name: "file", in: exportDirectory)
/// let found = try store.register(file, on: filesystem)
/// let descriptor = try store.open(found.node, .readOnly)
/// ```
public final class Store: Sendable {
  /// The path by which the store was opened. The store stays the directory that this led to then, also
  /// if that is renamed.
  public var path: FilePath { directory.path }
  /// How it was opened.
  public let options: StoreOptions
  /// The generation that goes on the wire with each of its node ids: a random number that is another
  /// one for another store.
  public let incarnation: UInt32

  let directory: OpenDirectory
  let environment: Environment
  let tables: Tables
  let filesystems: FilesystemTable
  let cache: NodeCache?
  let counters: StatisticsCounters
  let writer: Writer?
  private let lock: Mutex<WriterLock?>
  private let claim: Mutex<OpenStoreClaim?>
  private let isClosed = Atomic<Bool>(false)
  private let forkCount: UInt32
  let attaching = Mutex(())
  /// When the growth of the filesystems is noted again; 0 before the first registration.
  let nextNote = Atomic<UInt64>(0)
  /// Held while the file of exports is changed.
  let cataloguing = Mutex(())
  let tokenKeys = TokenKeys()
  /// What keeps nodes from being dropped.
  let holds = Holds()
  /// The random number in the state file.
  let number: UInt64

  /// Opens the store in a directory, or makes one there.
  ///
  /// - Parameters:
  ///   - path: the directory. Opened for writing, it is made where it does not exist (its parent
  ///     must), and a store is made in it where it is empty.
  ///   - options: how to open it.
  /// - Throws: ``StoreError``: ``StoreError/inUse(path:pid:)`` where another process writes,
  ///   ``StoreError/alreadyOpen(path:)``, ``StoreError/noStore(path:)`` for reading only,
  ///   ``StoreError/notAStore(path:reason:)``, ``StoreError/unsupportedVersion(found:supported:)``,
  ///   ``StoreError/torn(_:)``, ``StoreError/tornCopy(_:)``, ``StoreError/sharedData(path:)``,
  ///   ``StoreError/damaged(_:)``, ``StoreError/diskFull(path:)``,
  ///   ``StoreError/system(_:_:)``.
  /// - Complexity: O(1): a few milliseconds for a store of any size. O(nodes) after a power cut in a
  ///   session with ``Durability/process``, and for a copy (Docs/Copies.md): then the whole store is
  ///   checked.
  public convenience init(
    at path: FilePath, options: StoreOptions = StoreOptions()
  ) throws(StoreError) {
    let opening = try StoreOpening(path, options)
    try self.init(opening)
  }

  private init(_ opening: consuming StoreOpening) throws(StoreError) {
    directory = opening.directory
    options = opening.options
    incarnation = opening.state.incarnation
    number = opening.state.store
    environment = opening.environment
    tables = opening.tables
    filesystems = FilesystemTable()
    counters = StatisticsCounters()
    forkCount = SystemCalls.forkCount
    cache = opening.options.readOnly ? nil : NodeCache(size: opening.options.cacheSize)
    lock = Mutex(opening.lock)
    claim = Mutex(opening.claim)
    writer =
      opening.options.readOnly
      ? nil
      : Writer(
        environment: opening.environment, tables: opening.tables,
        ids: IDAllocator(state: opening.state, directory: opening.directory),
        filesystems: filesystems, cache: cache, statistics: counters,
        limboLimit: opening.options.limboLimit)
    try guarded { try loadFilesystems() }
  }

  /// Flushes and closes the store; what runs meanwhile in other threads ends first, and what comes
  /// later is refused with ``StoreError/closed``. A second call does nothing. A store that is not
  /// closed counts as crashed: nothing is lost by it.
  ///
  /// - Throws: ``StoreError/diskFull(path:)`` or ``StoreError/system(_:_:)`` where the last flush
  ///   failed; the store is closed then too.
  /// - Complexity: O(what was not flushed)
  public func close() throws(StoreError) {
    guard SystemCalls.forkCount == forkCount else { return }
    guard !isClosed.exchange(true, ordering: .acquiringAndReleasing) else { return }
    noteGrowth()
    var failure: StoreError?
    do {
      try writer?.close().write(in: directory)
    } catch {
      failure = error as? StoreError ?? StoreError(any: error, path: path)
    }
    environment.stop()
    environment.close(trimming: writer != nil)
    filesystems.detachAll()
    // What changes the small files holds this lock.
    cataloguing.withLock { _ in lock.withLock { $0 = nil } }
    claim.withLock { $0 = nil }
    directory.close()
    if let failure { throw failure }
  }

  deinit { try? close() }

  /// Runs a body that uses the store, with its errors as they are told to a user.
  @inline(__always)
  func guarded<R>(_ body: () throws -> R) throws(StoreError) -> R {
    guard SystemCalls.forkCount == forkCount else { throw .forked }
    guard !isClosed.load(ordering: .relaxed) else { throw .closed }
    do {
      return try body()
    } catch {
      let told = StoreError(any: error, path: path)
      counters.failed(told.code)
      throw told
    }
  }

  /// Reads from a snapshot; refuses where the store was closed since.
  func read() throws -> ReadTransaction {
    guard let transaction = try environment.read() else { throw StoreError.closed }
    return transaction
  }

  /// What changes the store, where it may be changed.
  func changing() throws -> Writer {
    guard let writer else { throw StoreError.readOnly }
    return writer
  }
}

extension StoreError {
  /// An error of this module or of a floor below, as a user is told.
  init(any error: any Error, path: FilePath) {
    switch error {
    case let error as StoreError: self = error
    case let error as GateRefusal: self = .refused(error)
    case let error as LMDBError: self = StoreError(error, path: path)
    case let error as Errno where error.isDiskFull: self = .diskFull(path: path)
    case let error as Errno: self = StoreError(error, "using \(path)")
    default: self = .unexpected(String(describing: error))
    }
  }
}
