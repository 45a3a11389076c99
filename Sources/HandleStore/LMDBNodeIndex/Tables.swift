/// The tables of a store, and what they contain.
struct Tables: Sendable {
  /// Node id → ``Record``.
  let nodes: Table
  /// ``IndexKey`` → ``IndexValue``.
  let inodes: Table
  /// Node id → ``SpilledHandle``.
  let spill: Table
  /// Filesystem id → ``FilesystemRecord``.
  let filesystems: Table
  /// `store` → the number in the state file.
  let meta: Table

  /// Node id, watcher → ``Watch``.
  let watches: Table
  /// A number for a stale node or an overflow → checksum: ``LimboRow``.
  let limbo: Table
  /// Node id, directory → ``Place``.
  let places: Table

  /// The number of named LMDB databases.
  static let count: UInt32 = 8
  /// The bytes `store` and three zeros.
  static let storeKey: InlineArray<1, UInt64> = [0x65_726f_7473]

  /// Opens the tables. Makes the missing ones if `create` is set.
  init(_ environment: Environment, create: Bool) throws(LMDBError) {
    let tables = try environment.openTables(
      [
        ("nodes", integerKeys: true), ("inodes", integerKeys: false), ("spill", integerKeys: true),
        ("filesystems", integerKeys: true), ("meta", integerKeys: false),
        ("watches", integerKeys: false), ("limbo", integerKeys: true),
        ("places", integerKeys: false),
      ], create: create)
    nodes = tables[0]
    inodes = tables[1]
    spill = tables[2]
    filesystems = tables[3]
    meta = tables[4]
    watches = tables[5]
    limbo = tables[6]
    places = tables[7]
  }

  /// Writes the number of the state file into the data of a new store.
  func mark(_ environment: Environment, store: UInt64) throws(LMDBError) {
    let value: InlineArray<1, UInt64> = [store]
    let transaction = try environment.write()
    try transaction.put(meta, Self.storeKey.span, 8, value.span, 8)
    try transaction.commit()
  }

  /// Returns the number of the state file to which the data belong.
  func store(_ environment: Environment) throws(LMDBError) -> UInt64? {
    var value: InlineArray<1, UInt64> = [0]
    var words = value.mutableSpan
    guard let transaction = try environment.read() else { return nil }
    _ = try transaction.get(meta, Self.storeKey.span, 8, into: &words)
    return value[0]
  }
}

/// Typed reads. They check records and handles, so that nothing damaged is passed on.
extension Reading where Self: ~Copyable {
  /// Returns a node's record, or `nil` if there is none.
  func record(_ id: NodeID, _ tables: Tables) throws -> Record? {
    let key: InlineArray<1, UInt64> = [id.rawValue]
    var record = Record()
    var words = record.words.mutableSpan
    guard let size = try get(tables.nodes, key.span, 8, into: &words) else { return nil }
    guard size == Record.size && record.isIntact(for: id) else {
      throw StoreError.damaged("the record of node \(id) has a wrong checksum")
    }
    return record
  }

  /// Returns a node's handle, from its record or from the table `spill`.
  func handle(of record: Record, _ id: NodeID, _ tables: Tables) throws -> KernelFileHandle {
    if let handle = record.inlineHandle { return handle }
    let key: InlineArray<1, UInt64> = [id.rawValue]
    var spilled = SpilledHandle()
    var words = spilled.words.mutableSpan
    guard
      let size = try get(tables.spill, key.span, 8, into: &words),
      let handle = spilled.handle(type: record.handleType, size: size, for: id),
      handle.length == record.handleLength
    else { throw StoreError.damaged("the spilled handle of node \(id) is missing or wrong") }
    return handle
  }

  /// Returns the node of a record.
  func node(_ id: NodeID, _ record: Record, _ tables: Tables) throws -> Node {
    try Node(id, record) ?? Node(id, record, spilled: handle(of: record, id, tables))
  }

  /// Returns what the index has under a key.
  func indexed(_ key: IndexKey, _ tables: Tables) throws -> IndexValue? {
    var value = IndexValue()
    var words = value.words.mutableSpan
    let found = try get(
      tables.inodes, key.words.span, key.size, into: &words)
    return found == nil ? nil : value
  }

  /// Returns the record of a node that the index names.
  func record(
    indexed id: NodeID, on filesystem: FilesystemID, _ tables: Tables
  ) throws -> Record {
    guard let record = try record(id, tables), record.state?.isIndexed ?? false,
      record.filesystem == filesystem
    else {
      throw StoreError.damaged(
        "the index names node \(id), which is not live on filesystem \(filesystem)")
    }
    return record
  }
}

/// Typed writes.
extension WriteTransaction {
  func putRecord(_ record: inout Record, _ id: NodeID, _ tables: Tables) throws {
    let key: InlineArray<1, UInt64> = [id.rawValue]
    record.seal(for: id)
    try put(tables.nodes, key.span, 8, record.words.span, Record.size)
  }

  /// Adds the record and any spilled handle of a node whose id is above all others.
  func appendNode(
    _ record: inout Record, _ handle: KernelFileHandle, _ id: NodeID, _ tables: Tables
  ) throws {
    let key: InlineArray<1, UInt64> = [id.rawValue]
    record.seal(for: id)
    try append(tables.nodes, key.span, 8, record.words.span, Record.size)
    guard record.isSpilled else { return }
    let spilled = SpilledHandle(handle, for: id)
    try append(
      tables.spill, key.span, 8, spilled.words.span, spilled.size)
  }

  /// Replaces the record and the handle of a node.
  func putNode(
    _ record: inout Record, _ handle: KernelFileHandle, _ id: NodeID, _ tables: Tables
  ) throws {
    let key: InlineArray<1, UInt64> = [id.rawValue]
    try putRecord(&record, id, tables)
    guard record.isSpilled else {
      try remove(tables.spill, key.span, 8)
      return
    }
    let spilled = SpilledHandle(handle, for: id)
    try put(tables.spill, key.span, 8, spilled.words.span, spilled.size)
  }

  func removeNode(_ id: NodeID, _ tables: Tables) throws {
    let key: InlineArray<1, UInt64> = [id.rawValue]
    try remove(tables.nodes, key.span, 8)
    try remove(tables.spill, key.span, 8)
  }

  /// Adds an index entry, unless the key has one; then returns that one.
  func insertIndex(_ key: IndexKey, _ value: IndexValue, size: Int, _ tables: Tables) throws
    -> IndexValue?
  {
    var existing = IndexValue()
    var words = existing.words.mutableSpan
    let found = try insert(
      tables.inodes, key.words.span, key.size,
      value.words.span, size, existing: &words)
    return found == nil ? nil : existing
  }

  func putIndex(_ key: IndexKey, _ value: IndexValue, size: Int, _ tables: Tables) throws {
    try put(
      tables.inodes, key.words.span, key.size,
      value.words.span, size)
  }

  func removeIndex(_ key: IndexKey, _ tables: Tables) throws {
    try remove(tables.inodes, key.words.span, key.size)
  }

  /// Makes the index name a node under a file's key, and for an opaque handle also under the hint.
  func putKeys(
    _ key: IndexKey, _ id: NodeID, inode: UInt64, on filesystem: FilesystemID, _ tables: Tables
  ) throws {
    guard key.isOpaque else { return try putIndex(key, IndexValue(id), size: 8, tables) }
    try putIndex(key, IndexValue(id, inode: inode), size: 16, tables)
    try putIndex(IndexKey(hint: inode, on: filesystem), IndexValue(id), size: 8, tables)
  }

  /// Removes what ``putKeys(_:_:inode:on:_:)`` put, unless the index names another node there.
  func removeKeys(
    _ key: IndexKey, of id: NodeID, on filesystem: FilesystemID, _ tables: Tables
  ) throws {
    guard let value = try indexed(key, tables), value.node == id else { return }
    try removeIndex(key, tables)
    guard key.isOpaque else { return }
    let hint = IndexKey(hint: value.inode, on: filesystem)
    if try indexed(hint, tables)?.node == id { try removeIndex(hint, tables) }
  }
}
