internal import SystemPackage

extension Record: Stored {
  var size: Int { Self.size }
}

extension SpilledHandle: Stored {}

/// Records and their handles.
extension Tables {
  /// Returns a node's record, or `nil` if there is none.
  @inline(__always)
  func record(
    _ id: NodeID, in transaction: borrowing some Reading & ~Copyable
  ) throws -> Record? {
    var record = Record()
    guard let size = try transaction.get(id, from: nodes, into: &record) else { return nil }
    return try Self.intact(record, size: size, for: id)
  }

  private static func intact(_ record: Record, size: Int, for id: NodeID) throws -> Record {
    guard size == Record.size && record.isIntact(for: id) else {
      throw StoreError.damaged("the record of node \(id) has a wrong checksum")
    }
    return record
  }

  /// Returns a node's handle, from its record or from the table `spill`.
  func handle(
    of record: Record, _ id: NodeID, in transaction: borrowing some Reading & ~Copyable
  ) throws -> KernelFileHandle {
    if let handle = record.inlineHandle { return handle }
    var spilled = SpilledHandle()
    guard let size = try transaction.get(id, from: spill, into: &spilled),
      let handle = spilled.handle(type: record.handleType, size: size, for: id),
      handle.length == record.handleLength
    else { throw StoreError.damaged("the spilled handle of node \(id) is missing or wrong") }
    return handle
  }

  /// Returns a node, or `nil` if there is none, and adds its record to a cache.
  ///
  /// - Parameter ticket: the cache's, from before the snapshot began.
  @inline(__always)
  func node(
    _ id: NodeID, in transaction: borrowing some Reading & ~Copyable, addingTo cache: NodeCache?,
    _ ticket: NodeCache.Ticket?
  ) throws -> Node? {
    guard let record = try record(id, in: transaction) else { return nil }
    if let ticket { cache?.insert(id, record, ticket: ticket) }
    return try node(id, record, in: transaction)
  }

  /// Returns the node of a record.
  func node(
    _ id: NodeID, _ record: Record, in transaction: borrowing some Reading & ~Copyable
  ) throws -> Node {
    try Node(id, record)
      ?? Node(id, record, spilled: handle(of: record, id, in: transaction))
  }

  /// Calls `body` for the nodes from `start` on, in the order of their ids, until it returns
  /// `false`.
  func forEachNode(
    from start: NodeID, in transaction: borrowing some Reading & ~Copyable,
    _ body: (NodeID, Record) throws -> Bool
  ) throws {
    var cursor = try Cursor(nodes, in: transaction)
    var more = try cursor.seek(start)
    var last: NodeID?
    while more {
      let id = cursor.key
      // Ids must grow. Otherwise a caller that continues from here could loop for ever.
      guard last.map({ $0 < id }) ?? (id >= start) else { throw LMDBError.corrupted }
      last = id
      guard try body(id, Self.intact(cursor.value, size: cursor.valueSize, for: id)) else { return }
      more = try cursor.next()
    }
  }

  func put(
    _ record: inout Record, for id: NodeID, in transaction: borrowing WriteTransaction
  ) throws {
    record.seal(for: id)
    try transaction.put(record, for: id, in: nodes)
  }

  /// Replaces the record and the handle of a node.
  func put(
    _ record: inout Record, _ handle: KernelFileHandle, for id: NodeID,
    in transaction: borrowing WriteTransaction
  ) throws {
    try put(&record, for: id, in: transaction)
    guard record.isSpilled else {
      try transaction.remove(id, from: spill)
      return
    }
    try transaction.put(SpilledHandle(handle, for: id), for: id, in: spill)
  }

  func removeNode(_ id: NodeID, in transaction: borrowing WriteTransaction) throws {
    try transaction.remove(id, from: nodes)
    try transaction.remove(id, from: spill)
  }
}
