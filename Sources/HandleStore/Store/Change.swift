internal import SystemPackage

/// A change to the store: applied in a transaction, alone or with others, and again in a new
/// transaction where the first could not be committed. So it changes nothing but the transaction.
protocol Change: Sendable {
  associatedtype Output: Sendable

  /// About how many nodes it adds.
  var weight: Int { get }

  func apply(in turn: inout Turn, _ transaction: borrowing WriteTransaction) throws -> Output
}

extension Change {
  var weight: Int { 1 }
}

/// What the changes of one transaction share; used again for the next one, with its arrays.
struct Turn {
  let tables: Tables
  /// Knows the kinds of the store's filesystems.
  let filesystems: FilesystemTable
  /// How many nodes may be in limbo.
  let limboLimit: Int
  private(set) var now: UInt32 = 0
  var ids: IDAllocator
  /// The ids as they were before the transaction.
  private var unusedIDs: IDAllocator
  /// Nodes whose record is another one now, or gone.
  var changed: [(NodeID, Record?)] = []
  /// Nodes that did not exist before.
  var added: [(NodeID, Record)] = []
  /// What is known of filesystems from now on.
  var recorded: [FilesystemID: KnownFilesystem] = [:]
  /// Nodes that were registered, by the hash of their index key.
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

  /// Gets ready for a transaction: what an undone one left is forgotten.
  mutating func begin() {
    now = SystemCalls.epochSeconds
    ids = unusedIDs
    if !recorded.isEmpty { recorded = [:] }
    changed.removeAll(keepingCapacity: changed.count < Self.keptCapacity)
    added.removeAll(keepingCapacity: added.count < Self.keptCapacity)
    met.removeAll(keepingCapacity: met.count < Self.keptCapacity)
  }

  private static let keptCapacity = 1 << 14

  /// The ids that were taken are used up, whatever comes of the transaction.
  mutating func keepIDs() { unusedIDs = ids }
}

extension Turn {
  /// Makes a live node stale and takes it out of the index.
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

  /// Takes a live node's entries out of the index, those of them that name it.
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

  /// Takes a node out of the store altogether.
  mutating func drop(
    _ id: NodeID, _ record: Record, _ transaction: borrowing WriteTransaction
  ) throws {
    if record.state?.isIndexed ?? false { try unindex(id, record, transaction) }
    try transaction.removePlaces(of: id, tables)
    try transaction.removeNode(id, tables)
    changed.append((id, nil))
  }
}

/// Makes a node stale, or an alias that is named with its file; says whether it was none before.
struct Retiring: Change {
  let id: NodeID
  /// Only as long as it has this file: it may have been copied up since.
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
