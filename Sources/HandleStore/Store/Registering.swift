internal import SystemPackage

/// The result of registering a file in a transaction.
enum RegistrationAttempt: Sendable {
  case done(Registration)
  /// Nothing was changed: this node has the candidate's inode under another generation, and the
  /// kernel must say which of the two files exists.
  case contested(NodeID)
}

/// For each node that competes with a candidate for its inode, whether it still has its file. A
/// node that lost its file never gets it back, so an answer stays valid when the transaction runs
/// again.
typealias Competitors = [NodeID: Bool]

/// Registers files of one filesystem, in order.
struct Registering: Change {
  let candidates: [Candidate]
  let registrar: Registrar
  var competitors: Competitors = [:]

  var weight: Int { candidates.count }

  func apply(
    in turn: inout Turn, _ transaction: borrowing WriteTransaction
  ) throws -> [RegistrationAttempt] {
    var results: [RegistrationAttempt] = []
    results.reserveCapacity(candidates.count)
    // A span lends each candidate, and the array would copy it.
    let candidates = candidates.span
    for i in candidates.indices {
      let entry = registrar.entry(candidates[i].handle)
      results.append(
        try registrar.register(candidates[i], entry, competitors, in: &turn, transaction))
    }
    return results
  }
}

/// Registers one file, without the arrays, which would cost as much as the rest.
struct RegisteringOne: Change {
  let candidate: Candidate
  let entry: IndexEntry
  let registrar: Registrar
  var competitors: Competitors = [:]

  func apply(
    in turn: inout Turn, _ transaction: borrowing WriteTransaction
  ) throws -> RegistrationAttempt {
    try registrar.register(candidate, entry, competitors, in: &turn, transaction)
  }
}

/// Registers files of one filesystem in a transaction.
struct Registrar {
  let filesystem: FilesystemID
  let magic: FilesystemMagic
  let incarnation: UInt32

  /// Returns how the index finds a file.
  func entry(_ handle: KernelFileHandle) -> IndexEntry {
    IndexEntry(handle, on: filesystem, magic: magic)
  }

  /// Finds a candidate's node, or mints one.
  func register(
    _ candidate: Candidate, _ entry: IndexEntry, _ competitors: Competitors, in turn: inout Turn,
    _ transaction: borrowing WriteTransaction
  ) throws -> RegistrationAttempt {
    let id = try turn.ids.next()
    let replaced: NodeID?
    switch try index(entry, id, candidate, competitors, in: &turn, transaction) {
    case .new: replaced = nil
    case .other(let old): replaced = old
    case .contested(let old): return .contested(old)
    case .same(let node):
      turn.met.append((entry.key.hash, node))
      return .done(Registration(node: node, generation: incarnation, outcome: .existing))
    }
    if magic == .btrfs { try turn.noteGeneration(entry.identity, filesystem, transaction) }
    try mint(id, candidate, in: &turn, transaction)
    turn.met.append((entry.key.hash, id))
    return .done(
      Registration(
        node: id, generation: incarnation, outcome: replaced.map { .replaced($0) } ?? .created))
  }

  /// What the index had for a candidate.
  private enum Found {
    case new
    /// The candidate's node.
    case same(NodeID)
    /// The node of another generation of the inode, which is stale from now on.
    case other(NodeID)
    /// The node of another generation of the inode, which may still have its file.
    case contested(NodeID)
  }

  /// Makes the index name `id` for the candidate, unless it already names the candidate's node.
  private func index(
    _ entry: IndexEntry, _ id: NodeID, _ candidate: Candidate, _ competitors: Competitors,
    in turn: inout Turn, _ transaction: borrowing WriteTransaction
  ) throws -> Found {
    if entry.isOpaque {
      return try indexOpaque(entry, id, candidate, competitors, in: &turn, transaction)
    }
    guard
      let old = try transaction.insertIndex(entry.key, IndexValue(id), size: 8, turn.tables)?.node
    else { return .new }
    if let node = try sameFile(old, candidate, entry, in: &turn, transaction) { return .same(node) }
    guard competitors[old] != nil else { return .contested(old) }
    let found = try retire(old, in: &turn, transaction)
    try transaction.putIndex(entry.key, IndexValue(id), size: 8, turn.tables)
    return found
  }

  /// An opaque handle does not say which inode it names. Its file's `st_ino` is a hint: a node
  /// registered with the same number is retired if its file is gone. Both files may exist, because
  /// on overlayfs files of two layers can have the same number.
  private func indexOpaque(
    _ entry: IndexEntry, _ id: NodeID, _ candidate: Candidate, _ competitors: Competitors,
    in turn: inout Turn, _ transaction: borrowing WriteTransaction
  ) throws -> Found {
    let named = try transaction.indexed(entry.key, turn.tables)?.node
    if let named, let node = try sameFile(named, candidate, entry, in: &turn, transaction) {
      return .same(node)
    }
    let inode = IndexKey(opaqueInode: candidate.status.inode, on: filesystem)
    let numbered = try transaction.indexed(inode, turn.tables)?.node
    let others = [named, numbered == named ? nil : numbered].compactMap { $0 }
    if let old = others.first(where: { competitors[$0] == nil }) { return .contested(old) }
    var found = Found.new
    for old in others where old == named || competitors[old] == false {
      found = try retire(old, in: &turn, transaction)
    }
    try transaction.putIndex(
      entry.key, IndexValue(id, inode: candidate.status.inode), size: 16, turn.tables)
    try transaction.putIndex(inode, IndexValue(id), size: 8, turn.tables)
    return found
  }

  /// Returns the candidate's node if the node that the index has under its key is of the same file.
  /// For an alias, this is the node that it stands for, if that is live.
  private func sameFile(
    _ old: NodeID, _ candidate: Candidate, _ entry: IndexEntry,
    in turn: inout Turn, _ transaction: borrowing WriteTransaction
  ) throws -> NodeID? {
    var record = try indexed(old, turn, transaction)
    guard
      try record.type == candidate.status.type
        && transaction.isSameFile(
          candidate.handle, entry, as: record, old, turn.tables, magic: magic)
    else { return nil }
    if record.state == .alias { return try target(of: record, turn, transaction) }
    try turn.recordPlace(of: candidate, &record, old, transaction)
    return old
  }

  /// Retires the node of a file that is gone.
  private func retire(
    _ old: NodeID, in turn: inout Turn, _ transaction: borrowing WriteTransaction
  ) throws -> Found {
    var record = try indexed(old, turn, transaction)
    let wasLive = record.state == .live
    try turn.retire(old, &record, transaction)
    return wasLive ? .other(old) : .new
  }

  /// Returns the node that an alias stands for, if it is live.
  private func target(
    of alias: Record, _ turn: Turn, _ transaction: borrowing WriteTransaction
  ) throws -> NodeID? {
    guard let id = alias.parent, let record = try transaction.record(id, turn.tables) else {
      return nil
    }
    return record.state == .live ? id : nil
  }

  /// Returns the record of a node that the index names.
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
