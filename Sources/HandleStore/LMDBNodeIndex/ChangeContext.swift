internal import SystemPackage

/// A change to the store. The writer applies it in a transaction, alone or with other changes. If
/// the transaction fails, it applies the change again in a new one. So a change must affect nothing
/// but the transaction and its context.
protocol Change: Sendable {
  associatedtype Output: Sendable

  func apply(
    in context: inout ChangeContext, _ transaction: borrowing WriteTransaction
  ) throws -> Output
}

/// A change that a closure makes.
struct ClosureChange<Output: Sendable>: Change {
  typealias Body =
    @Sendable (inout ChangeContext, borrowing WriteTransaction) throws -> Output

  let body: Body

  func apply(
    in context: inout ChangeContext, _ transaction: borrowing WriteTransaction
  ) throws -> Output { try body(&context, transaction) }
}

/// What the changes of one transaction share. The next transaction uses the same value, so that its
/// arrays keep their storage.
struct ChangeContext {
  let tables: Tables
  /// The filesystems of the store, as committed so far.
  let filesystems: KnownFilesystems
  /// How many nodes may be in limbo.
  let limboLimit: Int
  private(set) var now: UInt32 = 0
  var ids: IDAllocator
  /// Where the ids were before the transaction. ``begin()`` goes back there.
  private var unusedIDs: IDAllocator.Position
  /// Nodes whose record the transaction changed, or removed (`nil`).
  var changed: [(NodeID, Record?)] = []
  /// Nodes that the transaction added.
  var added: [(NodeID, Record)] = []
  /// The filesystem records that the transaction wrote.
  var recorded: [FilesystemID: KnownFilesystem] = [:]
  /// The nodes of registered files, each with the hash of its file's key.
  var registered: [(UInt64, NodeID)] = []

  init(
    tables: Tables, filesystems: KnownFilesystems, ids: IDAllocator, limboLimit: Int
  ) {
    self.tables = tables
    self.filesystems = filesystems
    self.ids = ids
    self.limboLimit = limboLimit
    unusedIDs = ids.position
  }

  /// Prepares for a new transaction: forgets what the last one noted.
  mutating func begin() {
    now = SystemCalls.epochSeconds
    ids.position = unusedIDs
    if !recorded.isEmpty { recorded = [:] }
    changed.removeAll(keepingCapacity: changed.count < Self.reusedCapacity)
    added.removeAll(keepingCapacity: added.count < Self.reusedCapacity)
    registered.removeAll(keepingCapacity: registered.count < Self.reusedCapacity)
  }

  private static let reusedCapacity = 1 << 14

  /// Notes which node a registered file has; `nil` for an opaque handle, which the cache does not know.
  mutating func note(_ file: FileKey?, on filesystem: FilesystemID, has node: NodeID) {
    if let file { registered.append((file.hintHash(on: filesystem), node)) }
  }

  /// Marks the ids taken so far as used, whatever becomes of the transaction.
  mutating func consumeIDs() { unusedIDs = ids.position }
}

extension ChangeContext {
  /// Makes a live node stale and removes it from the index. Its aliases stay.
  mutating func retire(
    _ id: NodeID, _ record: inout Record, in transaction: borrowing WriteTransaction
  ) throws {
    try removeKeys(of: id, record, transaction)
    try tables.removeFurtherParents(of: id, in: transaction)
    record.enter(.stale, at: now)
    try tables.put(&record, for: id, in: transaction)
    try enterLimbo(id, in: transaction)
    changed.append((id, record))
  }

  /// Removes a node's keys from the index, except those that another node has by now.
  private func removeKeys(
    of id: NodeID, _ record: Record, _ transaction: borrowing WriteTransaction
  ) throws {
    let handle = try tables.handle(of: record, id, in: transaction)
    let key = IndexKey(
      handle, on: record.filesystem, try filesystems.magic(record.filesystem))
    try tables.removeKeys(key, of: id, on: record.filesystem, in: transaction)
  }

  /// Removes an alias, if its node has it.
  mutating func remove(_ alias: Alias, in transaction: borrowing WriteTransaction) throws {
    let key = IndexKey(
      alias.handle, on: alias.filesystem, try filesystems.magic(alias.filesystem))
    try tables.removeAlias(under: key, of: alias.node, in: transaction)
  }

  /// Removes a node with its aliases.
  mutating func drop(
    _ id: NodeID, _ record: Record, in transaction: borrowing WriteTransaction
  ) throws {
    if record.state == .live { try removeKeys(of: id, record, transaction) }
    for alias in try tables.aliases(of: id, in: transaction) { try remove(alias, in: transaction) }
    try tables.removeFurtherParents(of: id, in: transaction)
    try tables.removeNode(id, in: transaction)
    changed.append((id, nil))
  }
}

// MARK: Removing

extension ChangeContext {
  /// Makes a live node stale; returns whether it did. If `file` is given, the node must still have
  /// the filesystem and handle of that value: its file may have been copied up since.
  mutating func retire(
    _ id: NodeID, ifItIs file: Node?, in transaction: borrowing WriteTransaction
  ) throws -> Bool {
    guard var record = try tables.record(id, in: transaction) else {
      throw StoreError.unknownNode(id)
    }
    guard record.state == .live else { return false }
    if let file {
      guard record.filesystem == file.filesystem,
        try tables.handle(of: record, id, in: transaction) == file.handle
      else { return false }
    }
    try retire(id, &record, in: transaction)
    return true
  }

  /// Removes an alias; returns whether its node had it.
  mutating func removeIfPresent(
    _ alias: Alias, in transaction: borrowing WriteTransaction
  ) throws -> Bool {
    guard try tables.aliases(of: alias.node, in: transaction).contains(alias) else { return false }
    try remove(alias, in: transaction)
    return true
  }

  /// Drops those nodes that may be dropped; returns how many these were.
  mutating func drop(
    _ dropping: Dropping, in transaction: borrowing WriteTransaction
  ) throws -> Int {
    let excess = try transaction.statistics(tables.nodes).entries - dropping.leaving
    var dropped = 0
    for id in dropping.ids where dropped < min(excess, dropping.limit) {
      guard let record = try tables.record(id, in: transaction) else { continue }
      let isAllowed = try dropping.allows(id, record, at: now) {
        try tables.isWatched(id, in: transaction)
      } hasAliases: {
        try !tables.aliases(of: id, in: transaction).isEmpty
      }
      guard isAllowed else { continue }
      try drop(id, record, in: transaction)
      dropped += 1
    }
    return dropped
  }
}

// MARK: Filesystems

extension ChangeContext {
  /// Adds a filesystem to the store, or changes what is known of it.
  ///
  /// - Parameter change: returns what to record, given what was known before; `nil` changes nothing.
  mutating func record(
    _ id: FilesystemID, in transaction: borrowing WriteTransaction,
    _ change: (KnownFilesystem?) -> KnownFilesystem?
  ) throws {
    guard let known = change(known(id)) else { return }
    try record(known, for: id, in: transaction)
  }

  /// Returns what is known of a filesystem, including what this transaction wrote.
  private func known(_ id: FilesystemID) -> KnownFilesystem? { recorded[id] ?? filesystems[id] }

  private mutating func record(
    _ known: KnownFilesystem, for id: FilesystemID, in transaction: borrowing WriteTransaction
  ) throws {
    try transaction.put(FilesystemRecord.encode(known, id), for: id, in: tables.filesystems)
    recorded[id] = known
  }

  /// Notes the generation of a registered file (``KnownFilesystem/note(_:)``).
  mutating func note(
    _ key: FileKey?, on id: FilesystemID, in transaction: borrowing WriteTransaction
  ) throws {
    guard var known = known(id), known.note(key) else { return }
    try record(known, for: id, in: transaction)
  }
}

// MARK: Parents

extension ChangeContext {
  /// Records where a file was found; returns whether its node is live.
  mutating func recordParent(
    of id: NodeID, _ candidate: FoundFile, in transaction: borrowing WriteTransaction
  ) throws -> Bool {
    guard var record = try tables.record(id, in: transaction), record.state == .live else {
      return false
    }
    try recordParent(of: candidate, in: &record, for: id, transaction)
    return true
  }

  /// Records where a live node's file was found, if that is new.
  mutating func recordParent(
    of candidate: FoundFile, in record: inout Record, for id: NodeID,
    _ transaction: borrowing WriteTransaction
  ) throws {
    if candidate.moves(record) {
      record.parent = candidate.parent
      try tables.put(&record, for: id, in: transaction)
      changed.append((id, record))
      // The file has only the name under which it was just found.
      if candidate.status.links <= 1 { try tables.removeFurtherParents(of: id, in: transaction) }
    } else if candidate.hasFurtherParent(record), let parent = candidate.parent {
      try tables.put(Place(id, in: parent), in: transaction)
    }
  }
}
