internal import SystemPackage

/// A file to register: its handle, its status, and the directory it was found in.
public struct Candidate: Sendable {
  /// The file's handle, of any form: a connectable one names the same file as a plain one.
  public var handle: KernelFileHandle
  /// The status that belongs to the handle.
  public var status: FileStatus
  /// The node of the directory in which the file was found, where that is known.
  public var parent: NodeID?

  /// A file to register.
  public init(handle: KernelFileHandle, status: FileStatus, parent: NodeID? = nil) {
    self.handle = handle
    self.status = status
    self.parent = parent
  }

  /// Whether the file has another parent than the one on record. A file of several names keeps the
  /// parent it has: each lookup by another name would write.
  func moves(_ record: Record) -> Bool {
    guard let parent, record.parent != parent else { return false }
    return record.parent == nil || status.type == .directory || status.links <= 1
  }
}

/// What a registration found.
public struct Registration: Hashable, Sendable {
  /// How the node came to be the file's.
  public enum Outcome: Hashable, Sendable {
    /// This registration minted the node.
    case created
    /// The node was there.
    case existing
    /// The inode number was known under another generation. The node is new; the old one, named
    /// here, is stale from now on. Invalidate it before the new one is answered.
    case replaced(NodeID)
  }

  /// The file's node.
  public let node: NodeID
  /// The generation that goes on the wire with the node's id: the store's incarnation.
  public let generation: UInt32
  /// How the node came to be the file's.
  public let outcome: Outcome
}

/// Registers files of one filesystem, in order.
struct Registering: Change {
  let candidates: [Candidate]
  let filesystem: FilesystemID
  let incarnation: UInt32

  func apply(
    in turn: inout Turn, _ transaction: borrowing WriteTransaction
  ) throws -> [Registration] {
    var results: [Registration] = []
    results.reserveCapacity(candidates.count)
    let magic = try turn.magic(of: filesystem)
    for candidate in candidates {
      results.append(try register(candidate, magic, in: &turn, transaction))
    }
    return results
  }

  private func register(
    _ candidate: Candidate, _ magic: FilesystemMagic, in turn: inout Turn,
    _ transaction: borrowing WriteTransaction
  ) throws -> Registration {
    let entry = IndexEntry(candidate.handle, on: filesystem, magic: magic)
    let id = try turn.ids.next()
    var replaced: NodeID?
    switch entry {
    case .known(let key, _):
      let found = try transaction.insertIndex(key, IndexValue(id), size: 8, turn.tables)
      if let old = found?.node {
        if let same = try meet(old, candidate, entry, in: &turn, transaction) { return same }
        try transaction.putIndex(key, IndexValue(id), size: 8, turn.tables)
        replaced = old
      }
    case .opaque(let key):
      if let old = try transaction.indexed(key, turn.tables)?.node {
        if let same = try meet(old, candidate, entry, in: &turn, transaction) { return same }
        replaced = old
      }
      let inode = IndexKey(opaqueInode: candidate.status.inode, on: filesystem)
      if let old = try transaction.indexed(inode, turn.tables)?.node {
        guard var record = try transaction.record(old, turn.tables) else {
          throw StoreError.damaged("the index names node \(old), which does not exist")
        }
        try turn.retire(old, &record, transaction)
        replaced = old
      }
      try transaction.putIndex(
        key, IndexValue(id, inode: candidate.status.inode), size: 16, turn.tables)
      try transaction.putIndex(inode, IndexValue(id), size: 8, turn.tables)
    }
    try mint(id, candidate, in: &turn, transaction)
    return Registration(
      node: id, generation: incarnation, outcome: replaced.map { .replaced($0) } ?? .created)
  }

  /// The index has a node for the inode. Where it is of the same generation, that is the result;
  /// where it is not, it is retired and there is none.
  private func meet(
    _ old: NodeID, _ candidate: Candidate, _ entry: IndexEntry, in turn: inout Turn,
    _ transaction: borrowing WriteTransaction
  ) throws -> Registration? {
    guard var record = try transaction.record(old, turn.tables), record.state == .live,
      record.filesystem == filesystem
    else { throw StoreError.damaged("the index names node \(old), which is not live there") }
    let same =
      try record.type == candidate.status.type
      && transaction.isSameFile(
        candidate.handle, entry, as: record, old, turn.tables, magic: turn.magic(of: filesystem))
    guard same else {
      try turn.retire(old, &record, transaction)
      return nil
    }
    if candidate.moves(record) {
      record.parent = candidate.parent
      try transaction.putRecord(&record, old, turn.tables)
      turn.changed.append((old, record))
    }
    return Registration(node: old, generation: incarnation, outcome: .existing)
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
