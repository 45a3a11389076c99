internal import HandleLocks
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
/// let descriptor = try store.open(found.node, as: .readOnly)
/// ```
public final class Store: Sendable {
  /// The path by which the store was opened, or the one to which it led if it was a path through
  /// `/proc/self/fd`; empty for a store in memory. The store stays in the directory to which the path
  /// led then, even if that directory is renamed.
  public var path: FilePath { files.path }
  /// The options with which the store was opened.
  let options: StoreOptions
  /// The generation that goes on the wire with each node id of the store: a random number chosen
  /// when the store is made. A copy of a store keeps it.
  public let incarnation: UInt32

  /// Keeps the nodes.
  package let index: any NodeIndex
  /// The records that the index keeps in memory. Most reads need nothing else.
  let cache: NodeCache?
  /// Keeps the exports, the keys, and the numbers of namespaces.
  let files: any SmallFiles
  let filesystems: FilesystemTable
  let counters: StatisticsCounters
  private let isClosed = Atomic<Bool>(false)
  private let forkCount: UInt32
  let attaching = Locked(())
  /// When to note the growth of the filesystems again; 0 before the first registration.
  let nextNote = Atomic<UInt64>(0)
  /// Held while the file `exports` or `namespaces` is changed.
  let cataloguing = Locked(())
  let tokenKeys = TokenKeys()
  /// Keeps nodes from being dropped.
  let holds = Holds()
  /// The files that are kept open, because they cannot be opened by their handles.
  let kept = KeptTable()
  /// A random number, which the small files carry.
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
    let counters = StatisticsCounters()
    let index = try LMDBNodeIndex(at: path, options, counters)
    self.init(
      index, files: index.directory, number: index.number, options: options, counters: counters)
  }

  /// Makes a store that is only in memory: for tests of a server, and for a server whose clients do
  /// not outlive it. It is gone when the last reference to it is.
  ///
  /// All calls behave as those of a store in a directory do, but nothing waits for a disk, and
  /// checks, backups and repairs, which are about files, are not possible.
  ///
  /// - Parameter options: the retention and the limit of limbo. Durability and the size of the cache
  ///   have no meaning here, and ``StoreOptions/readOnly`` is ignored.
  /// - Complexity: O(1)
  public convenience init(inMemory options: StoreOptions) {
    var options = options
    options.readOnly = false
    let counters = StatisticsCounters()
    self.init(
      MemoryNodeIndex(limboLimit: options.limboLimit), files: MemoryFiles(),
      number: .random(in: 1...UInt64.max), options: options, counters: counters)
  }

  package init(
    _ index: any NodeIndex, files: any SmallFiles, number: UInt64, options: StoreOptions,
    counters: StatisticsCounters
  ) {
    self.index = index
    cache = index.cache
    self.files = files
    self.number = number
    self.options = options
    self.counters = counters
    incarnation = index.incarnation
    filesystems = FilesystemTable(index.filesystems)
    forkCount = SystemCalls.forkCount
    index.use(holds)
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
    holds.close()
    defer { filesystems.detachAll() }
    do {
      // Calls that change the small files hold this lock.
      try cataloguing.withLock { _ in try index.close() }
    } catch {
      throw index.describe(error)
    }
  }

  deinit { try? close() }

  /// Whether the store is open, and was opened after the last fork.
  @inline(__always)
  var isUsable: Bool {
    SystemCalls.forkCount == forkCount && !isClosed.load(ordering: .relaxed)
  }

  /// Runs a body that uses the store, and turns its errors into those that a user gets.
  @inline(__always)
  func withStoreErrors<R>(_ body: () throws -> R) throws(StoreError) -> R {
    guard SystemCalls.forkCount == forkCount else { throw .forked }
    guard !isClosed.load(ordering: .relaxed) else { throw .closed }
    do {
      return try body()
    } catch {
      let told = index.describe(error)
      counters.failed(told.code)
      throw told
    }
  }

  /// Whether the store was opened for reading only.
  var isReadOnly: Bool { options.readOnly }

  /// Throws ``StoreError/readOnly`` if the store was opened for reading only.
  func requireWriting() throws {
    if isReadOnly { throw StoreError.readOnly }
  }
}
