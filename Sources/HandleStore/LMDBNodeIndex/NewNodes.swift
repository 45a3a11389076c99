/// Adds nodes and their keys, in one transaction.
struct NewNodes: ~Copyable, ~Escapable {
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

  /// Gives a key to a node. If the key has a node or an alias already, leaves that one and returns it.
  @inline(__always)
  func insert(_ id: NodeID, for key: IndexKey) throws(LMDBError) -> IndexValue? {
    var existing = IndexValue()
    let found = try keys.insert(IndexValue(id), for: key, existing: &existing)
    return found == nil ? nil : existing
  }

  /// Adds the record and any spilled handle of a node whose id is above all others.
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
