internal import Synchronization
public import SystemPackage

/// A store of file handles. For every file that a server has shown to a client, it keeps the node
/// id that the client was given and the kernel file handle that finds the file again.
///
/// A store is a directory, not a path: if the directory is renamed while the store is open, the
/// store goes with it. A copy of the directory is a store of its own, which hands out other ids
/// (Docs/Copies.md). One process can have a store open for writing, while any number of others read
/// it. A process opens a store once, and uses it from any thread. All calls are safe from any
/// thread. A call waits only for the disk and, if it changes something, for the changes before it.
/// After `fork(2)` the child cannot use the store (``StoreError/forked``).
///
/// ```swift
/// let store = try Store(at: "/var/lib/server/nodes")
/// let filesystem = try store.attach(exportDirectory)
/// let file = try FoundFile(name: "file", in: exportDirectory)
/// let found = try store.register(file, on: filesystem)
/// let descriptor = try store.open(found.node, .readOnly)
/// ```
public final class Store: Sendable {
  /// The path by which the store was opened. The store stays in the directory that this path led to
  /// then, even if that directory is renamed.
  public var path: FilePath { directory.path }
  /// The options with which the store was opened.
  public let options: StoreOptions
  /// The generation that goes on the wire with each node id of the store: a random number chosen
  /// when the store is made. A copy of a store keeps it.
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
  /// When to note the growth of the filesystems again; 0 before the first registration.
  let nextNote = Atomic<UInt64>(0)
  /// Held while the file `exports` or `namespaces` is changed.
  let cataloguing = Mutex(())
  let tokenKeys = TokenKeys()
  /// Keeps nodes from being dropped.
  let holds = Holds()
  /// The random number in the state file.
  let number: UInt64

  /// Opens the store in a directory, or makes one there.
  ///
  /// - Parameters:
  ///   - path: the directory. When opened for writing, a missing directory is made (its parent must
  ///     exist), and a store is made in an empty one.
  ///   - options: how to open the store.
  /// - Throws: ``StoreError``: ``StoreError/inUse(path:pid:)`` if another process writes,
  ///   ``StoreError/alreadyOpen(path:)``, ``StoreError/noStore(path:)`` for reading only,
  ///   ``StoreError/notAStore(path:reason:)``, ``StoreError/unsupportedVersion(found:supported:)``,
  ///   ``StoreError/torn(_:)``, ``StoreError/tornCopy(_:)``, ``StoreError/sharedData(path:)``,
  ///   ``StoreError/damaged(_:)``, ``StoreError/diskFull(path:)``, ``StoreError/system(_:_:)``.
  /// - Complexity: O(1): a few milliseconds for a store of any size. O(nodes) for a copy
  ///   (Docs/Copies.md), and after a power cut in a session with ``Durability/process``: then the
  ///   whole store is checked.
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

  /// Flushes and closes the store. Calls that other threads are running finish first; later calls
  /// throw ``StoreError/closed``. A second call does nothing. A store that was not closed counts as
  /// crashed, but loses nothing.
  ///
  /// - Throws: ``StoreError/diskFull(path:)`` or ``StoreError/system(_:_:)`` if the last flush
  ///   failed; the store is closed all the same.
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
    // Calls that change the small files hold this lock.
    cataloguing.withLock { _ in lock.withLock { $0 = nil } }
    claim.withLock { $0 = nil }
    directory.close()
    if let failure { throw failure }
  }

  deinit { try? close() }

  /// Runs a body that uses the store, and turns its errors into those that a user gets.
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

  /// Returns a snapshot to read from; throws if the store was closed meanwhile.
  func read() throws -> ReadTransaction {
    guard let transaction = try environment.read() else { throw StoreError.closed }
    return transaction
  }

  /// Returns the writer; throws ``StoreError/readOnly`` if the store was opened for reading.
  func changing() throws -> Writer {
    guard let writer else { throw StoreError.readOnly }
    return writer
  }
}

extension StoreError {
  /// Turns an error of this module or of a floor below into the one that a user gets.
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
