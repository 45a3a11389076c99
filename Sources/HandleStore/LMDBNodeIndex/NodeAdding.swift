/// Adds nodes and their keys, in one transaction.
protocol NodeAdding: ~Copyable, ~Escapable {
  /// Gives a key to a node. If the key has a node or an alias already, leaves that one and returns it.
  func insert(
    _ id: NodeID, for key: IndexKey, in transaction: borrowing WriteTransaction
  ) throws(LMDBError) -> IndexValue?

  /// Adds the record and any spilled handle of a node whose id is above all others.
  func append(
    _ record: inout Record, _ handle: KernelFileHandle, for id: NodeID,
    in transaction: borrowing WriteTransaction
  ) throws(LMDBError)
}

/// Adds one node, or a few whose keys are in no order. To open a cursor takes longer than to search
/// from the root.
extension Tables: NodeAdding {
  @inline(__always)
  func insert(
    _ id: NodeID, for key: IndexKey, in transaction: borrowing WriteTransaction
  ) throws(LMDBError) -> IndexValue? {
    var existing = IndexValue()
    let found = try transaction.insert(
      IndexValue(id), for: key, in: inodes, existing: &existing)
    return found == nil ? nil : existing
  }

  @inline(__always)
  func append(
    _ record: inout Record, _ handle: KernelFileHandle, for id: NodeID,
    in transaction: borrowing WriteTransaction
  ) throws(LMDBError) {
    record.seal(for: id)
    try transaction.append(record, for: id, in: nodes)
    guard record.isSpilled else { return }
    try transaction.append(SpilledHandle(handle, for: id), for: id, in: spill)
  }
}

/// Adds nodes in the order of their keys, through cursors that stay where they are.
struct NewNodesInOrder: NodeAdding, ~Copyable, ~Escapable {
  private let keys: PutCursor<IndexKey, IndexValue>
  private let records: PutCursor<NodeID, Record>
  private let spill: Table<NodeID, SpilledHandle>

  @_lifetime(borrow transaction)
  init(_ tables: Tables, in transaction: borrowing WriteTransaction) throws(LMDBError) {
    let keys = try PutCursor(tables.inodes, in: transaction)
    let records = try PutCursor(tables.nodes, in: transaction)
    self.init(keys: keys, records: records, spill: tables.spill)
  }

  @_lifetime(copy keys, copy records)
  private init(
    keys: consuming PutCursor<IndexKey, IndexValue>, records: consuming PutCursor<NodeID, Record>,
    spill: Table<NodeID, SpilledHandle>
  ) {
    self.keys = keys
    self.records = records
    self.spill = spill
  }

  @inline(__always)
  func insert(
    _ id: NodeID, for key: IndexKey, in transaction: borrowing WriteTransaction
  ) throws(LMDBError) -> IndexValue? {
    var existing = IndexValue()
    let found = try keys.insert(IndexValue(id), for: key, existing: &existing)
    return found == nil ? nil : existing
  }

  @inline(__always)
  func append(
    _ record: inout Record, _ handle: KernelFileHandle, for id: NodeID,
    in transaction: borrowing WriteTransaction
  ) throws(LMDBError) {
    record.seal(for: id)
    try records.append(record, for: id)
    guard record.isSpilled else { return }
    try transaction.append(SpilledHandle(handle, for: id), for: id, in: spill)
  }
}
