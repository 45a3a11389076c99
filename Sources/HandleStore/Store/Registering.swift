internal import SystemPackage

/// Registers files of one filesystem, in order.
struct Registering: Change {
  let candidates: [Candidate]
  let registrar: Registrar

  var weight: Int { candidates.count }

  func apply(
    in turn: inout Turn, _ transaction: borrowing WriteTransaction
  ) throws -> [Registration] {
    var results: [Registration] = []
    results.reserveCapacity(candidates.count)
    // A span lends a candidate, where the array would copy it.
    let candidates = candidates.span
    for i in candidates.indices {
      let entry = registrar.entry(candidates[i].handle)
      results.append(try registrar.register(candidates[i], entry, in: &turn, transaction))
    }
    return results
  }
}

/// Registers one file: without the arrays, which cost as much as the rest.
struct RegisteringOne: Change {
  let candidate: Candidate
  let entry: IndexEntry
  let registrar: Registrar

  func apply(
    in turn: inout Turn, _ transaction: borrowing WriteTransaction
  ) throws -> Registration {
    try registrar.register(candidate, entry, in: &turn, transaction)
  }
}

/// Registers files of one filesystem in a transaction.
struct Registrar {
  let filesystem: FilesystemID
  let magic: FilesystemMagic
  let incarnation: UInt32

  /// What a file is looked up by.
  func entry(_ handle: KernelFileHandle) -> IndexEntry {
    IndexEntry(handle, on: filesystem, magic: magic)
  }

  /// Finds a candidate's node, or mints one.
  func register(
    _ candidate: Candidate, _ entry: IndexEntry, in turn: inout Turn,
    _ transaction: borrowing WriteTransaction
  ) throws -> Registration {
    let id = try turn.ids.next()
    let replaced: NodeID?
    switch try index(entry, id, candidate, in: &turn, transaction) {
    case .new: replaced = nil
    case .other(let old): replaced = old
    case .same(let node):
      turn.met.append((entry.key.hash, node))
      return Registration(node: node, generation: incarnation, outcome: .existing)
    }
    try mint(id, candidate, in: &turn, transaction)
    turn.met.append((entry.key.hash, id))
    return Registration(
      node: id, generation: incarnation, outcome: replaced.map { .replaced($0) } ?? .created)
  }

  /// What the index had for a candidate.
  private enum Found {
    case new
    /// The candidate's node.
    case same(NodeID)
    /// The node of another generation of the inode, which is stale now.
    case other(NodeID)
  }

  /// Makes the index name `id` for the candidate, unless it names the candidate's node already.
  private func index(
    _ entry: IndexEntry, _ id: NodeID, _ candidate: Candidate,
    in turn: inout Turn, _ transaction: borrowing WriteTransaction
  ) throws -> Found {
    if entry.isOpaque { return try indexOpaque(entry, id, candidate, in: &turn, transaction) }
    guard
      let old = try transaction.insertIndex(entry.key, IndexValue(id), size: 8, turn.tables)?.node
    else { return .new }
    let found = try meet(old, candidate, entry, in: &turn, transaction)
    if case .same = found { return found }
    try transaction.putIndex(entry.key, IndexValue(id), size: 8, turn.tables)
    return found
  }

  private func indexOpaque(
    _ entry: IndexEntry, _ id: NodeID, _ candidate: Candidate,
    in turn: inout Turn, _ transaction: borrowing WriteTransaction
  ) throws -> Found {
    var found = Found.new
    if let old = try transaction.indexed(entry.key, turn.tables)?.node {
      found = try meet(old, candidate, entry, in: &turn, transaction)
      if case .same = found { return found }
    }
    let inode = IndexKey(opaqueInode: candidate.status.inode, on: filesystem)
    if let old = try transaction.indexed(inode, turn.tables)?.node {
      var record = try indexed(old, turn, transaction)
      if record.state == .live { found = .other(old) }
      try turn.retire(old, &record, transaction)
    }
    try transaction.putIndex(
      entry.key, IndexValue(id, inode: candidate.status.inode), size: 16, turn.tables)
    try transaction.putIndex(inode, IndexValue(id), size: 8, turn.tables)
    return found
  }

  /// The index has a node for the candidate's inode: of the same generation, or of another one, which
  /// is then retired.
  private func meet(
    _ old: NodeID, _ candidate: Candidate, _ entry: IndexEntry,
    in turn: inout Turn, _ transaction: borrowing WriteTransaction
  ) throws -> Found {
    var record = try indexed(old, turn, transaction)
    let same =
      try record.type == candidate.status.type
      && transaction.isSameFile(
        candidate.handle, entry, as: record, old, turn.tables, magic: magic)
    if record.state == .alias {
      if same, let node = try target(of: record, turn, transaction) { return .same(node) }
      try turn.retire(old, &record, transaction)
      return .new
    }
    guard same else {
      try turn.retire(old, &record, transaction)
      return .other(old)
    }
    try turn.recordPlace(of: candidate, &record, old, transaction)
    return .same(old)
  }

  /// The node that an alias stands for, as long as that is live.
  private func target(
    of alias: Record, _ turn: Turn, _ transaction: borrowing WriteTransaction
  ) throws -> NodeID? {
    guard let id = alias.parent, let record = try transaction.record(id, turn.tables) else {
      return nil
    }
    return record.state == .live ? id : nil
  }

  /// The record of a node that the index names.
  private func indexed(
    _ id: NodeID, _ turn: Turn, _ transaction: borrowing WriteTransaction
  ) throws -> Record {
    guard let record = try transaction.record(id, turn.tables), record.state?.isIndexed ?? false,
      record.filesystem == filesystem
    else { throw StoreError.damaged("the index names node \(id), which is not live there") }
    return record
  }

  private func mint(
    _ id: NodeID, _ candidate: Candidate, in turn: inout Turn,
    _ transaction: borrowing WriteTransaction
  ) throws {
    turn.ids.take()
    var record = Record(
      handle: candidate.handle, filesystem: filesystem, type: candidate.status.type,
      parent: candidate.parent, since: turn.now)
    try transaction.appendNode(&record, candidate.handle, id, turn.tables)
    turn.added.append((id, record))
  }
}
