internal import SystemPackage

/// A change to the store. The writer applies it in a transaction, alone or with other changes, and
/// again in a new transaction if the first one fails. So a change must affect nothing but the
/// transaction and the turn.
protocol Change: Sendable {
  associatedtype Output: Sendable

  /// About how many nodes the change adds.
  var weight: Int { get }

  func apply(in turn: inout Turn, _ transaction: borrowing WriteTransaction) throws -> Output
}

extension Change {
  var weight: Int { 1 }
}

/// What the changes of one transaction share. The next transaction uses it again, with the storage
/// of its arrays.
struct Turn {
  let tables: Tables
  /// The filesystems of the store, as committed so far.
  let filesystems: FilesystemTable
  /// How many nodes may be in limbo.
  let limboLimit: Int
  private(set) var now: UInt32 = 0
  var ids: IDAllocator
  /// The ids as they were before the transaction; ``begin()`` takes them back.
  private var unusedIDs: IDAllocator
  /// Nodes whose record the transaction changed, or removed (`nil`).
  var changed: [(NodeID, Record?)] = []
  /// Nodes that the transaction added.
  var added: [(NodeID, Record)] = []
  /// The filesystem records that the transaction wrote.
  var recorded: [FilesystemID: KnownFilesystem] = [:]
  /// The nodes of registered files, each with the hash of its index key.
  var met: [(UInt64, NodeID)] = []

  init(
    tables: Tables, filesystems: FilesystemTable, ids: IDAllocator, limboLimit: Int
  ) {
    self.tables = tables
    self.filesystems = filesystems
    self.ids = ids
    self.limboLimit = limboLimit
    unusedIDs = ids
  }

  /// Prepares for a new transaction: clears what the last one left.
  mutating func begin() {
    now = SystemCalls.epochSeconds
    ids = unusedIDs
    if !recorded.isEmpty { recorded = [:] }
    changed.removeAll(keepingCapacity: changed.count < Self.keptCapacity)
    added.removeAll(keepingCapacity: added.count < Self.keptCapacity)
    met.removeAll(keepingCapacity: met.count < Self.keptCapacity)
  }

  private static let keptCapacity = 1 << 14

  /// Marks the ids taken so far as used, whatever becomes of the transaction.
  mutating func keepIDs() { unusedIDs = ids }
}

extension Turn {
  /// Makes a live node or an alias stale and removes it from the index.
  mutating func retire(
    _ id: NodeID, _ record: inout Record, _ transaction: borrowing WriteTransaction
  ) throws {
    try unindex(id, record, transaction)
    try transaction.removePlaces(of: id, tables)
    record.enter(.stale, at: now)
    try transaction.putRecord(&record, id, tables)
    try enterLimbo(id, transaction)
    changed.append((id, record))
  }

  /// Removes a node's entries from the index, except those that name another node.
  private func unindex(
    _ id: NodeID, _ record: Record, _ transaction: borrowing WriteTransaction
  ) throws {
    let handle = try transaction.handle(of: record, id, tables)
    let entry = IndexEntry(
      handle, on: record.filesystem, magic: try filesystems.magic(record.filesystem))
    guard let value = try transaction.indexed(entry.key, tables), value.node == id else { return }
    try transaction.removeIndex(entry.key, tables)
    guard entry.isOpaque else { return }
    let inode = IndexKey(opaqueInode: value.inode, on: record.filesystem)
    if try transaction.indexed(inode, tables)?.node == id {
      try transaction.removeIndex(inode, tables)
    }
  }

  /// Removes a node from the store.
  mutating func drop(
    _ id: NodeID, _ record: Record, _ transaction: borrowing WriteTransaction
  ) throws {
    if record.state?.isIndexed ?? false { try unindex(id, record, transaction) }
    try transaction.removePlaces(of: id, tables)
    try transaction.removeNode(id, tables)
    changed.append((id, nil))
  }
}

/// Makes a live node stale, and an alias too if a file is given. The result says whether it did.
struct Retiring: Change {
  let id: NodeID
  /// If given, the node is retired only if it still has this file: it may have been copied up
  /// since.
  var file: Node?

  func apply(in turn: inout Turn, _ transaction: borrowing WriteTransaction) throws -> Bool {
    guard var record = try transaction.record(id, turn.tables) else {
      throw StoreError.unknownNode(id)
    }
    let isWanted = record.state == .live || file != nil && record.state == .alias
    guard isWanted, try has(record, turn, transaction) else { return false }
    try turn.retire(id, &record, transaction)
    return true
  }
}

extension Retiring {
  private func has(
    _ record: Record, _ turn: Turn, _ transaction: borrowing WriteTransaction
  ) throws -> Bool {
    guard let file else { return true }
    return try record.filesystem == file.filesystem
      && transaction.handle(of: record, id, turn.tables) == file.handle
  }
}
