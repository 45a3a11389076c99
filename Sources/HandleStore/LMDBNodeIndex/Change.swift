internal import SystemPackage

/// A change to the store. The writer applies it in a transaction, alone or with other changes, and
/// again in a new transaction if the first one fails. So a change must affect nothing but the
/// transaction and its context.
protocol Change: Sendable {
  associatedtype Output: Sendable

  /// About how many nodes the change adds.
  var weight: Int { get }

  func apply(in context: inout ChangeContext, _ transaction: borrowing WriteTransaction) throws
    -> Output
}

extension Change {
  var weight: Int { 1 }
}

/// Several changes of one kind, made one by one and applied in order, as one change.
struct Batch<Element: Sendable, C: Change>: Change {
  let elements: [Element]
  let change: @Sendable (Element) -> C

  var weight: Int { elements.count }

  func apply(
    in context: inout ChangeContext, _ transaction: borrowing WriteTransaction
  ) throws -> [C.Output] {
    var results: [C.Output] = []
    results.reserveCapacity(elements.count)
    // A span lends each element, and the array would copy it.
    let elements = elements.span
    for i in elements.indices {
      results.append(try change(elements[i]).apply(in: &context, transaction))
    }
    return results
  }
}

/// What the changes of one transaction share. The next transaction uses it again, with the storage
/// of its arrays.
struct ChangeContext {
  let tables: Tables
  /// The filesystems of the store, as committed so far.
  let filesystems: KnownFilesystems
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
  /// The nodes of registered files, each with the hash of its key.
  var registered: [(UInt64, NodeID)] = []

  init(
    tables: Tables, filesystems: KnownFilesystems, ids: IDAllocator, limboLimit: Int
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
    registered.removeAll(keepingCapacity: registered.count < Self.keptCapacity)
  }

  private static let keptCapacity = 1 << 14

  /// Marks the ids taken so far as used, whatever becomes of the transaction.
  mutating func keepIDs() { unusedIDs = ids }
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
    try enterLimbo(id, transaction)
    changed.append((id, record))
  }

  /// Removes a node's keys from the index, except those that another node has.
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

/// Makes a live node stale. The result says whether it did.
struct Retiring: Change {
  let id: NodeID
  /// If given, the node is retired only if it still has this file: it may have been copied up
  /// since.
  let file: Node?

  func apply(
    in context: inout ChangeContext, _ transaction: borrowing WriteTransaction
  ) throws -> Bool {
    guard var record = try context.tables.record(id, in: transaction) else {
      throw StoreError.unknownNode(id)
    }
    guard record.state == .live, try has(record, context, transaction) else { return false }
    try context.retire(id, &record, in: transaction)
    return true
  }

  private func has(
    _ record: Record, _ context: ChangeContext, _ transaction: borrowing WriteTransaction
  ) throws -> Bool {
    guard let file else { return true }
    return try record.filesystem == file.filesystem
      && context.tables.handle(of: record, id, in: transaction) == file.handle
  }
}

/// Removes an alias. The result says whether its node had it.
struct RemovingAlias: Change {
  let alias: Alias

  func apply(
    in context: inout ChangeContext, _ transaction: borrowing WriteTransaction
  ) throws -> Bool {
    guard try context.tables.aliases(of: alias.node, in: transaction).contains(alias) else {
      return false
    }
    try context.remove(alias, in: transaction)
    return true
  }
}

/// Drops nodes that may go. The result is how many it dropped.
extension Dropping: Change {
  func apply(
    in context: inout ChangeContext, _ transaction: borrowing WriteTransaction
  ) throws -> Int {
    let excess = try transaction.statistics(context.tables.nodes).entries - keeping
    var dropped = 0
    for id in ids where dropped < min(excess, limit) {
      guard let record = try context.tables.record(id, in: transaction) else { continue }
      let isAllowed = try allows(id, record, at: context.now) {
        try context.tables.isWatched(id, in: transaction)
      } hasAliases: {
        try !context.tables.aliases(of: id, in: transaction).isEmpty
      }
      guard isAllowed else { continue }
      try context.drop(id, record, in: transaction)
      dropped += 1
    }
    return dropped
  }
}

/// Adds a filesystem to the store, or changes what is known of it.
struct RecordingFilesystem: Change {
  let id: FilesystemID
  /// Returns what to record, given what was known before; `nil` changes nothing.
  let change: @Sendable (KnownFilesystem?) -> KnownFilesystem?

  func apply(
    in context: inout ChangeContext, _ transaction: borrowing WriteTransaction
  ) throws {
    guard let known = change(context.known(id)) else { return }
    try context.record(known, id, transaction)
  }
}

extension ChangeContext {
  /// Returns what is known of a filesystem, including what this transaction wrote.
  fileprivate func known(_ id: FilesystemID) -> KnownFilesystem? { recorded[id] ?? filesystems[id] }

  /// Records what is known of a filesystem.
  fileprivate mutating func record(
    _ known: KnownFilesystem, _ id: FilesystemID, _ transaction: borrowing WriteTransaction
  ) throws {
    try transaction.put(FilesystemRecord.encode(known, id), for: id, in: tables.filesystems)
    recorded[id] = known
  }

  /// Notes the generation of a registered file (``KnownFilesystem/note(_:)``).
  mutating func note(
    _ key: FileKey?, on id: FilesystemID, _ transaction: borrowing WriteTransaction
  ) throws {
    guard var known = known(id), known.note(key) else { return }
    try record(known, id, transaction)
  }
}
