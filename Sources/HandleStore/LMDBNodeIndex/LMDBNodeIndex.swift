internal import Synchronization
internal import SystemPackage

/// A ``NodeIndex`` in an LMDB environment, in a directory of its own. One process writes, and any
/// number of others read.
final class LMDBNodeIndex: NodeIndex {
  let directory: OpenDirectory
  let environment: Environment
  let tables: Tables
  let filesystems: KnownFilesystems
  let cache: NodeCache?
  let incarnation: UInt32
  /// The random number in the file `state`.
  let number: UInt64
  let counters: StatisticsCounters
  let durability: Durability
  private let writer: Writer?
  private let lock: Mutex<WriterLock?>
  private let claim: Mutex<OpenStoreClaim?>
  private let isClosed = Atomic(false)

  /// Opens the index in a directory, or makes one there (``Store/init(at:options:)``).
  init(
    at path: FilePath, _ options: StoreOptions, _ counters: StatisticsCounters
  ) throws(StoreError) {
    let opening = try LMDBOpening(path, options)
    directory = opening.directory
    environment = opening.environment
    tables = opening.tables
    filesystems = KnownFilesystems()
    incarnation = opening.state.incarnation
    number = opening.state.store
    durability = options.durability
    self.counters = counters
    cache = options.readOnly ? nil : NodeCache(size: options.cacheSize)
    lock = Mutex(opening.lock)
    claim = Mutex(opening.claim)
    writer =
      options.readOnly
      ? nil
      : Writer(
        environment: environment, tables: tables,
        ids: IDAllocator(state: opening.state, directory: directory), filesystems: filesystems,
        cache: cache, statistics: counters, limboLimit: options.limboLimit)
    do {
      try reloadFilesystems()
    } catch {
      throw describe(error)
    }
  }

  var isReadOnly: Bool { writer == nil }

  /// Whether ids were reserved since the index was opened. If not, the next change that needs an id
  /// waits for the disk.
  var hasReservedIDs: Bool { writer?.hasReservedIDs ?? false }

  func close() throws {
    guard !isClosed.exchange(true, ordering: .acquiringAndReleasing) else { return }
    var failure: (any Error)?
    do {
      try writer?.close().write(in: directory)
    } catch {
      failure = error
    }
    environment.stop()
    environment.close(trimming: writer != nil)
    lock.withLock { $0 = nil }
    claim.withLock { $0 = nil }
    directory.close()
    if let failure { throw failure }
  }

  func describe(_ error: any Error) -> StoreError {
    StoreError(ofLMDB: error, path: directory.path)
  }

  /// Returns a snapshot to read from; throws if the index was closed meanwhile.
  func read() throws -> ReadTransaction {
    guard let transaction = try environment.read() else { throw StoreError.closed }
    return transaction
  }

  /// Applies a change.
  func perform<C: Change>(_ change: C) throws -> C.Output {
    guard let writer else { throw StoreError.readOnly }
    return try writer.perform(change)
  }
}

// MARK: Nodes

extension LMDBNodeIndex {
  func node(_ id: NodeID) throws -> Node? {
    let ticket = cache?.ticket(for: id)
    counters.count(.gets)
    let transaction = try read()
    guard let record = try transaction.record(id, tables) else { return nil }
    if let cache, let ticket { cache.insert(id, record, ticket) }
    return try transaction.node(id, record, tables)
  }

  func node(of handle: KernelFileHandle, on filesystem: FilesystemID) throws -> Node? {
    let magic = try filesystems.magic(filesystem)
    let key = IndexKey(handle, on: filesystem, magic)
    let transaction = try read()
    guard let id = try transaction.indexed(key, tables)?.node else { return nil }
    guard let record = try transaction.record(id, tables) else {
      throw StoreError.damaged("the index names node \(id), which does not exist")
    }
    guard try isSameFile(handle, key, record, id, magic, transaction) else { return nil }
    guard record.state == .alias, let target = record.parent,
      let own = try transaction.record(target, tables)
    else { return try transaction.node(id, record, tables) }
    return try transaction.node(target, own, tables)
  }

  /// Whether a handle names the file of the node that has its key.
  func isSameFile(
    _ handle: KernelFileHandle, _ key: IndexKey, _ record: Record, _ id: NodeID,
    _ magic: FilesystemMagic, _ transaction: borrowing ReadTransaction
  ) throws -> Bool {
    let stored = try transaction.handle(of: record, id, tables)
    guard let file = key.file else { return stored == handle }
    let its = stored.fileKey(on: magic)
    try Registrar.require(its, toBeOfSameInodeAs: file, id)
    return its == file
  }

  func count() throws -> Int { try read().statistics(tables.nodes).entries }

  func nodes(
    from start: NodeID, limit: Int, on filesystem: FilesystemID?, in state: NodeState?
  ) throws -> NodePage {
    let most = limit.multipliedReportingOverflow(by: 16)
    var found: [Node] = []
    let transaction = try read()
    var cursor = try transaction.cursor(tables.nodes)
    let first: InlineArray<1, UInt64> = [start.rawValue]
    var more = try cursor.seek(first.span, 8)
    var looked = 0
    var last: NodeID?
    while more {
      let (id, record) = try cursor.node()
      // Ids must grow. Otherwise a caller that continues from here could loop for ever.
      guard last.map({ $0 < id }) ?? (id >= start) else { throw LMDBError.corrupted }
      last = id
      if found.count == limit || looked == (most.overflow ? .max : most.partialValue) {
        return NodePage(nodes: found, next: id)
      }
      looked += 1
      if filesystem ?? record.filesystem == record.filesystem
        && state ?? record.state == record.state
      {
        found.append(try transaction.node(id, record, tables))
      }
      more = try cursor.next()
    }
    return NodePage(nodes: found, next: nil)
  }

  func retire(_ id: NodeID, ifItIs file: Node?) throws -> Bool {
    try perform(Retiring(id: id, file: file))
  }

  func drop(_ dropping: Dropping) throws -> Int { try perform(dropping) }
}

extension Cursor {
  /// Returns the row of the table `nodes` that the cursor is at.
  fileprivate func node() throws -> (NodeID, Record) {
    var key: InlineArray<1, UInt64> = [0]
    var keyWords = key.mutableSpan
    _ = copyKey(into: &keyWords)
    let id = NodeID(rawValue: key[0])
    var record = Record()
    var words = record.words.mutableSpan
    guard copyValue(into: &words) == Record.size, record.isIntact(for: id) else {
      throw StoreError.damaged("the record of node \(id) has a wrong checksum")
    }
    return (id, record)
  }
}

// MARK: Filesystems

extension LMDBNodeIndex {
  func record(
    _ filesystem: FilesystemID, _ change: @escaping @Sendable (KnownFilesystem?) -> KnownFilesystem?
  ) throws {
    try perform(RecordingFilesystem(id: filesystem, change: change))
  }

  func reloadFilesystems() throws {
    let transaction = try read()
    var cursor = try transaction.cursor(tables.filesystems)
    while try cursor.next() {
      var key: InlineArray<1, UInt64> = [0]
      var keyWords = key.mutableSpan
      _ = cursor.copyKey(into: &keyWords)
      let id = FilesystemID(rawValue: UInt16(truncatingIfNeeded: key[0]))
      var value = PackedBytes(size: FilesystemRecord.maximumSize)
      var words = value.words.mutableSpan
      value.size = cursor.copyValue(into: &words)
      guard let known = FilesystemRecord.decode(value, id) else {
        throw StoreError.damaged("the record of filesystem \(id) has a wrong checksum")
      }
      filesystems[id] = known
    }
  }
}

// MARK: Watches

extension LMDBNodeIndex {
  func watch(_ watch: Watch) throws { try perform(Watching(watch: watch)) }

  func unwatch(_ id: NodeID, by watcher: WatcherID) throws -> Bool {
    try perform(Unwatching(node: id, watcher: watcher))
  }

  func watches(of id: NodeID) throws -> [Watch] {
    let transaction = try read()
    // Most stores have no watches.
    guard try transaction.statistics(tables.watches).entries > 0 else { return [] }
    return try transaction.watches(of: id, tables)
  }

  func watchedNodes(from start: NodeID, limit: Int) throws -> WatchedNodePage {
    var found: [WatchedNode] = []
    var next: NodeID?
    try read().forEachWatch(from: start, tables) { watch in
      if let last = found.last, last.id == watch.node {
        found[found.count - 1] = WatchedNode(id: watch.node, mask: last.mask.union(watch.mask))
      } else if found.count == limit {
        next = watch.node
        return false
      } else {
        found.append(WatchedNode(id: watch.node, mask: watch.mask))
      }
      return true
    }
    return WatchedNodePage(nodes: found, next: next)
  }

  func limbo() throws -> [LimboNode] {
    try read().limbo(atMost: .max, tables).map {
      LimboNode(id: $0.node, isReported: $0.isReported)
    }
  }

  func takeDeletions(limit: Int) throws -> Deletions {
    guard !isReadOnly else { throw StoreError.readOnly }
    // Most calls find none, and need no commit.
    guard try hasDeletions() else { return Deletions(nodes: [], overflowed: false) }
    return try perform(TakingDeletions(limit: limit))
  }

  private func hasDeletions() throws -> Bool {
    let transaction = try read()
    return try transaction.has(.overflow, tables)
      || !transaction.limbo(from: .firstWaiting, atMost: 1, tables).isEmpty
  }
}
