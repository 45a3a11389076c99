internal import SystemPackage

extension Store {
  /// Gives a node another file: the copy of its file on the upper layer of a union.
  ///
  /// In one transaction, the node gets the new handle and keeps the old one as an alias. A token or
  /// a registration with the old handle still finds this node. If the new file was registered as
  /// another node meanwhile, that node is retired, and the outcome names it:
  /// ``Registration/Outcome-swift.enum/replaced(_:)``.
  ///
  /// - Parameters:
  ///   - id: the node of the file that was copied.
  ///   - handle: the copy's handle.
  ///   - status: the copy's status, of the same type.
  ///   - filesystem: the copy's filesystem.
  /// - Returns: the registration of the same node.
  /// - Throws: ``StoreError/unknownNode(_:)``, ``StoreError/stale(_:)``, ``StoreError/refused(_:)``
  ///   with ``GateRefusal/fileType``, and what ``register(_:status:on:parent:pinnedBy:)`` throws.
  ///   Then nothing was changed.
  /// - Complexity: O(log nodes), one commit.
  @discardableResult
  public func copyUp(
    _ id: NodeID, to handle: KernelFileHandle, status: FileStatus, on filesystem: FilesystemID
  ) throws(StoreError) -> Registration {
    try guarded {
      let writer = try changing()
      let candidate = Candidate(handle: handle, status: status)
      let magic = try filesystems.magic(filesystem)
      try requireOwn(candidate, filesystem)
      let entry = IndexEntry(handle, on: filesystem, magic: magic)
      var change = CopyingUp(
        id: id, candidate: candidate, entry: entry, filesystem: filesystem, magic: magic,
        incarnation: incarnation)
      while true {
        switch try writer.perform(change) {
        case .done(let registration): return registration
        case .contested(let old):
          change.competitors[old] = try keepsFile(old, against: candidate, entry, on: filesystem)
        }
      }
    }
  }
}

/// Gives a live node another file, and its old handle to an alias. The result names the node that
/// the new file had before.
private struct CopyingUp: Change {
  let id: NodeID
  let candidate: Candidate
  let entry: IndexEntry
  let filesystem: FilesystemID
  let magic: FilesystemMagic
  let incarnation: UInt32
  var competitors: Competitors = [:]

  func apply(
    in turn: inout Turn, _ transaction: borrowing WriteTransaction
  ) throws -> RegistrationAttempt {
    guard var record = try transaction.record(id, turn.tables) else {
      throw StoreError.unknownNode(id)
    }
    guard record.state == .live else { throw StoreError.stale(id) }
    guard record.type == candidate.status.type else { throw GateRefusal.fileType }
    if try has(record, entry, turn, transaction) { return done(replaced: nil) }
    if let old = try contested(turn, transaction) { return .contested(old) }
    if magic == .btrfs { try turn.noteGeneration(entry.identity, filesystem, transaction) }
    try keepAlias(record, in: &turn, transaction)
    let replaced = try displace(entry, in: &turn, transaction)
    try turn.index(
      entry, id, on: filesystem, inode: candidate.status.inode, transaction)
    record = Record(
      handle: candidate.handle, filesystem: filesystem, type: record.type, parent: record.parent,
      since: turn.now)
    try transaction.putNode(&record, candidate.handle, id, turn.tables)
    turn.changed.append((id, record))
    return done(replaced: replaced)
  }

  private func done(replaced: NodeID?) -> RegistrationAttempt {
    .done(
      Registration(
        node: id, generation: incarnation, outcome: replaced.map { .replaced($0) } ?? .existing))
  }

  /// Returns another node that was registered with the `st_ino` of an opaque handle's file, if it
  /// may still have its own file.
  private func contested(
    _ turn: Turn, _ transaction: borrowing WriteTransaction
  ) throws -> NodeID? {
    guard entry.isOpaque, let old = try transaction.indexed(inodeKey, turn.tables)?.node,
      old != id, try transaction.indexed(entry.key, turn.tables)?.node != old
    else { return nil }
    return competitors[old] == nil ? old : nil
  }

  private var inodeKey: IndexKey {
    IndexKey(opaqueInode: candidate.status.inode, on: filesystem)
  }

  /// Whether the node already has the file.
  private func has(
    _ record: Record, _ entry: IndexEntry, _ turn: Turn,
    _ transaction: borrowing WriteTransaction
  ) throws -> Bool {
    guard record.filesystem == filesystem,
      try transaction.indexed(entry.key, turn.tables)?.node == id
    else { return false }
    return try transaction.isSameFile(
      candidate.handle, entry, as: record, id, turn.tables, magic: magic)
  }

  /// Adds an alias that has the old handle and stands for this node.
  private func keepAlias(
    _ record: Record, in turn: inout Turn, _ transaction: borrowing WriteTransaction
  ) throws {
    let handle = try transaction.handle(of: record, id, turn.tables)
    let entry = IndexEntry(
      handle, on: record.filesystem, magic: try turn.filesystems.magic(record.filesystem))
    guard let value = try transaction.indexed(entry.key, turn.tables), value.node == id else {
      throw StoreError.damaged("node \(id) is live and has no entry in the index")
    }
    let alias = try turn.ids.next()
    turn.ids.take()
    var old = record
    old.parent = id
    old.enter(.alias, at: turn.now)
    try transaction.appendNode(&old, handle, alias, turn.tables)
    try turn.index(entry, alias, on: record.filesystem, inode: value.inode, transaction)
    turn.added.append((alias, old))
  }

  /// Retires the nodes that the index has for the new file's handle or inode number. Returns one
  /// that was live.
  private func displace(
    _ entry: IndexEntry, in turn: inout Turn, _ transaction: borrowing WriteTransaction
  ) throws -> NodeID? {
    var keys = [entry.key]
    if entry.isOpaque { keys.append(inodeKey) }
    var replaced: NodeID?
    for key in keys {
      guard let old = try transaction.indexed(key, turn.tables)?.node,
        competitors[old] != true, var record = try transaction.record(old, turn.tables)
      else { continue }
      // An alias of this node: the file that was copied can have the same `st_ino` as the copy.
      if record.state == .alias && record.parent == id && key != entry.key { continue }
      if record.state == .live { replaced = old }
      try turn.retire(old, &record, transaction)
    }
    return replaced
  }
}

extension Turn {
  /// Makes the index name a node under an entry's key, and for an opaque handle also under the key
  /// of the inode.
  fileprivate func index(
    _ entry: IndexEntry, _ id: NodeID, on filesystem: FilesystemID, inode: UInt64,
    _ transaction: borrowing WriteTransaction
  ) throws {
    guard entry.isOpaque else {
      return try transaction.putIndex(entry.key, IndexValue(id), size: 8, tables)
    }
    try transaction.putIndex(entry.key, IndexValue(id, inode: inode), size: 16, tables)
    let key = IndexKey(opaqueInode: inode, on: filesystem)
    try transaction.putIndex(key, IndexValue(id), size: 8, tables)
  }
}
