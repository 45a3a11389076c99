/// Adds nodes and their keys, in one transaction.
protocol NodeAdding: ~Copyable, ~Escapable {
  var spill: Table<NodeID, SpilledHandle> { get }

  /// Puts a value under a key of the index unless the key has one; copies that value to `existing`.
  ///
  /// - Returns: the size of the existing value in bytes, or `nil` if the new value was put.
  func insert(
    _ value: IndexValue, for key: IndexKey, existing: inout IndexValue,
    in transaction: borrowing WriteTransaction
  ) throws(LMDBError) -> Int?

  /// Puts a record under an id that is above all others.
  func append(
    _ record: Record, for id: NodeID, in transaction: borrowing WriteTransaction
  ) throws(LMDBError)
}

extension NodeAdding where Self: ~Copyable & ~Escapable {
  /// Gives a key to a node. If the key has a node or an alias already, leaves that one and returns it.
  @inline(__always)
  func insert(
    _ id: NodeID, for key: IndexKey, in transaction: borrowing WriteTransaction
  ) throws(LMDBError) -> IndexValue? {
    var existing = IndexValue()
    let found = try insert(IndexValue(id), for: key, existing: &existing, in: transaction)
    return found == nil ? nil : existing
  }

  /// Adds the record and any spilled handle of a node whose id is above all others.
  @inline(__always)
  func append(
    _ record: inout Record, _ handle: KernelFileHandle, for id: NodeID,
    in transaction: borrowing WriteTransaction
  ) throws(LMDBError) {
    record.seal(for: id)
    try append(record, for: id, in: transaction)
    guard record.isSpilled else { return }
    try transaction.append(SpilledHandle(handle, for: id), for: id, in: spill)
  }
}

/// Adds one node, or a few whose keys are in no order. To open a cursor takes longer than to search
/// from the root.
extension Tables: NodeAdding {
  @inline(__always)
  func insert(
    _ value: IndexValue, for key: IndexKey, existing: inout IndexValue,
    in transaction: borrowing WriteTransaction
  ) throws(LMDBError) -> Int? {
    try transaction.insert(value, for: key, in: inodes, existing: &existing)
  }

  @inline(__always)
  func append(
    _ record: Record, for id: NodeID, in transaction: borrowing WriteTransaction
  ) throws(LMDBError) {
    try transaction.append(record, for: id, in: nodes)
  }
}

/// Adds nodes in the order of their keys, through cursors that stay where they are.
struct NewNodesInOrder: NodeAdding, ~Copyable, ~Escapable {
  private let keys: PutCursor<IndexKey, IndexValue>
  private let records: PutCursor<NodeID, Record>
  let spill: Table<NodeID, SpilledHandle>

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
    _ value: IndexValue, for key: IndexKey, existing: inout IndexValue,
    in transaction: borrowing WriteTransaction
  ) throws(LMDBError) -> Int? {
    try keys.insert(value, for: key, existing: &existing)
  }

  @inline(__always)
  func append(
    _ record: Record, for id: NodeID, in transaction: borrowing WriteTransaction
  ) throws(LMDBError) {
    try records.append(record, for: id)
  }
}
