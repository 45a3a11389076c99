internal import HandleLocks
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
  private let lock: Locked<WriterLock?>
  private let claim: Locked<OpenStoreClaim?>
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
    lock = Locked(opening.lock)
    claim = Locked(opening.claim)
    writer =
      options.readOnly
      ? nil
      : Writer(
        environment: environment, tables: tables,
        ids: IDAllocator(
          state: opening.state, hasBegun: opening.hasBegun, directory: directory),
        filesystems: filesystems, cache: cache, statistics: counters, limboLimit: options.limboLimit
      )
    do {
      try reloadFilesystems()
    } catch {
      throw describe(error)
    }
  }

  var isReadOnly: Bool { writer == nil }
  /// Those that read it keep nothing in memory.
  var isShared: Bool { false }

  /// Whether ids were reserved since the index was opened. If not, the next change that needs an id
  /// waits for the disk.
  var hasReservedIDs: Bool { writer?.hasReservedIDs ?? false }

  func close() throws {
    guard !isClosed.exchange(true, ordering: .acquiringAndReleasing) else { return }
    var failure: (any Error)?
    do {
      try writer?.close()?.write(in: directory)
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
  ///
  /// - Parameter weight: about how many nodes the change adds.
  func perform<C: Change>(weight: Int = 1, _ change: C) throws -> C.Output {
    guard let writer else { throw StoreError.readOnly }
    return try writer.perform(weight: weight, change)
  }

  func perform<R: Sendable>(
    weight: Int = 1, _ body: @escaping ClosureChange<R>.Body
  ) throws -> R {
    try perform(weight: weight, ClosureChange(body: body))
  }
}

// MARK: Nodes

extension LMDBNodeIndex {
  func node(_ id: NodeID) throws -> Node? {
    let ticket = cache?.ticket(for: id)
    counters.count(.gets)
    let transaction = try read()
    return try tables.node(id, in: transaction, addingTo: cache, ticket)
  }

  func node(of handle: KernelFileHandle, on filesystem: FilesystemID) throws -> Node? {
    let magic = try filesystems.magic(filesystem)
    let key = IndexKey(handle, on: filesystem, magic)
    let transaction = try read()
    guard let value = try tables.indexed(key, in: transaction) else { return nil }
    guard let record = try tables.record(value.node, in: transaction) else {
      throw StoreError.damaged("the index names node \(value.node), which does not exist")
    }
    let file = try tables.file(
      under: key, value, record: record, on: magic, in: transaction)
    guard file.isNamed(by: handle, key.file) else { return nil }
    return try tables.node(value.node, record, in: transaction)
  }

  func aliases(from start: NodeID, nodes limit: Int) throws -> AliasPage {
    var found: [Alias] = []
    var nodes = 0
    var next: NodeID?
    try tables.forEachAlias(from: start, in: read()) { alias in
      if found.last?.node != alias.node {
        guard nodes < limit else {
          next = alias.node
          return false
        }
        nodes += 1
      }
      found.append(alias)
      return true
    }
    return AliasPage(aliases: found, next: next)
  }

  func remove(_ alias: Alias) throws -> Bool {
    try perform { try $0.removeIfPresent(alias, in: $1) }
  }

  func count() throws -> Int { try read().statistics(tables.nodes).entries }

  func nodes(
    from start: NodeID, limit: Int, on filesystem: FilesystemID?, in state: NodeState?
  ) throws -> NodePage {
    let most = limit.multipliedReportingOverflow(by: 16)
    var found: [Node] = []
    var next: NodeID?
    var looked = 0
    let transaction = try read()
    try tables.forEachNode(from: start, in: transaction) { id, record in
      if found.count == limit || looked == (most.overflow ? .max : most.partialValue) {
        next = id
        return false
      }
      looked += 1
      if filesystem ?? record.filesystem == record.filesystem
        && state ?? record.state == record.state
      {
        found.append(try tables.node(id, record, in: transaction))
      }
      return true
    }
    return NodePage(nodes: found, next: next)
  }

  func retire(_ id: NodeID, ifItIs file: Node?) throws -> Bool {
    try perform { try $0.retire(id, ifItIs: file, in: $1) }
  }

  func drop(_ dropping: Dropping) throws -> Int {
    try perform { try $0.drop(dropping, in: $1) }
  }
}

// MARK: Filesystems

extension LMDBNodeIndex {
  func record(
    _ filesystem: FilesystemID, _ change: @escaping @Sendable (KnownFilesystem?) -> KnownFilesystem?
  ) throws {
    try perform { try $0.record(filesystem, in: $1, change) }
  }

  /// No other process writes.
  func introducing<R>(_ body: () throws -> R) throws -> R { try body() }

  func reloadFilesystems() throws {
    let transaction = try read()
    var cursor = try Cursor(tables.filesystems, in: transaction)
    while try cursor.next() {
      let id = cursor.key
      var row = cursor.value
      row.size = cursor.valueSize
      guard let known = FilesystemRecord.decode(row, id) else {
        throw StoreError.damaged("the record of filesystem \(id) has a wrong checksum")
      }
      filesystems[id] = known
    }
  }
}

// MARK: Watches

extension LMDBNodeIndex {
  func watch(_ watch: Watch) throws {
    try perform { try $0.watch(watch, in: $1) }
  }

  func unwatch(_ id: NodeID, by watcher: WatcherID) throws -> Bool {
    try perform { try $0.unwatch(id, by: watcher, in: $1) }
  }

  func watches(of id: NodeID) throws -> [Watch] {
    let transaction = try read()
    // Most stores have no watches.
    guard try transaction.statistics(tables.watches).entries > 0 else { return [] }
    return try tables.watches(of: id, in: transaction)
  }

  func watchedNodes(from start: NodeID, limit: Int) throws -> WatchedNodePage {
    var found: [WatchedNode] = []
    var next: NodeID?
    try tables.forEachWatch(from: start, in: read()) { watch in
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
    try tables.limboRows(atMost: .max, in: read()).map {
      LimboNode(id: $0.node, isReported: $0.isReported)
    }
  }

  func takeDeletions(limit: Int) throws -> Deletions {
    guard !isReadOnly else { throw StoreError.readOnly }
    // Most calls find none, and need no commit.
    guard try hasDeletions() else { return Deletions(nodes: [], overflowed: false) }
    return try perform { try $0.takeDeletions(atMost: limit, in: $1) }
  }

  private func hasDeletions() throws -> Bool {
    let transaction = try read()
    return try tables.has(.overflow, in: transaction)
      || !tables.limboRows(from: .firstUnreported, atMost: 1, in: transaction).isEmpty
  }
}
