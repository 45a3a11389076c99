internal import SystemPackage

/// Gives a live node another file, and its old handle to an alias.
struct Moving: Change {
  let id: NodeID
  let candidate: FoundFile
  let key: IndexKey
  let registrar: Registrar
  let survivors: Survivors

  func apply(
    in context: inout ChangeContext, _ transaction: borrowing WriteTransaction
  ) throws -> RegistrationAttempt {
    guard var record = try transaction.record(id, context.tables) else {
      throw StoreError.unknownNode(id)
    }
    guard record.state == .live else { throw StoreError.stale(id) }
    guard record.type == candidate.status.type else { throw GateRefusal.fileType }
    if try has(record, context, transaction) { return done(replaced: nil) }
    var gone: [(id: NodeID, record: Record)] = []
    for old in try others(context, transaction) {
      let other = try transaction.record(
        indexed: old, on: registrar.filesystem, context.tables)
      switch try registrar.relation(
        of: candidate, key, to: old, other, survivors, context, transaction)
      {
      case .contested: return .contested(old)
      case .stale: return .done(.stale(generation: registrar.incarnation))
      case .same, .replaced: gone.append((old, other))
      case .separate: break
      }
    }
    return try move(&record, displacing: gone, in: &context, transaction)
  }

  private func move(
    _ record: inout Record, displacing gone: [(id: NodeID, record: Record)],
    in context: inout ChangeContext, _ transaction: borrowing WriteTransaction
  ) throws -> RegistrationAttempt {
    if registrar.magic == .btrfs {
      try context.note(key.file, on: registrar.filesystem, transaction)
    }
    try keepAlias(record, in: &context, transaction)
    for (old, var record) in gone { try context.retire(old, &record, transaction) }
    try transaction.putKeys(
      key, id, inode: candidate.status.inode, on: registrar.filesystem, context.tables)
    record = Record(
      handle: candidate.handle, filesystem: registrar.filesystem, type: record.type,
      parent: record.parent, since: context.now)
    try transaction.putNode(&record, candidate.handle, id, context.tables)
    context.changed.append((id, record))
    return done(replaced: gone.last { $0.record.state == .live }?.id)
  }

  private func done(replaced: NodeID?) -> RegistrationAttempt {
    .done(
      Registration(
        node: id, generation: registrar.incarnation,
        outcome: replaced.map { .replaced($0) } ?? .existing))
  }

  /// Whether the node already has the file.
  private func has(
    _ record: Record, _ context: ChangeContext, _ transaction: borrowing WriteTransaction
  ) throws -> Bool {
    guard record.filesystem == registrar.filesystem,
      try transaction.indexed(key, context.tables)?.node == id
    else { return false }
    return try registrar.relation(
      of: candidate, key, to: id, record, survivors, context, transaction) == .same
  }

  /// Returns the other nodes that the index has in the file's key, and as the hint. An alias of
  /// this node may be the hint: the file that was copied can have the same `st_ino` as the copy.
  private func others(
    _ context: ChangeContext, _ transaction: borrowing WriteTransaction
  ) throws -> [NodeID] {
    var others: [NodeID] = []
    if let old = try transaction.indexed(key, context.tables)?.node, old != id {
      others.append(old)
    }
    guard key.isOpaque else { return others }
    let hint = IndexKey(hint: candidate.status.inode, on: registrar.filesystem)
    if let old = try transaction.indexed(hint, context.tables)?.node, old != id,
      !others.contains(old), let record = try transaction.record(old, context.tables),
      record.state != .alias || record.parent != id
    {
      others.append(old)
    }
    return others
  }

  /// Adds an alias that has the old handle and stands for this node.
  private func keepAlias(
    _ record: Record, in context: inout ChangeContext,
    _ transaction: borrowing WriteTransaction
  ) throws {
    let handle = try transaction.handle(of: record, id, context.tables)
    let key = IndexKey(
      handle, on: record.filesystem, try context.filesystems.magic(record.filesystem))
    guard let value = try transaction.indexed(key, context.tables), value.node == id else {
      throw StoreError.damaged("node \(id) is live but has no entry in the index")
    }
    let alias = try context.ids.next()
    context.ids.take()
    var old = record
    old.parent = id
    old.enter(.alias, at: context.now)
    try transaction.appendNode(&old, handle, alias, context.tables)
    try transaction.putKeys(
      key, alias, inode: value.inode, on: record.filesystem, context.tables)
    context.added.append((alias, old))
  }
}
