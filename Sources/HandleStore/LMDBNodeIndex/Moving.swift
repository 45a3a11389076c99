internal import SystemPackage

/// Gives a live node another file, and keeps its old handle as an alias.
struct Moving: Change {
  let id: NodeID
  /// The new file.
  let file: Registering

  func apply(
    in context: inout ChangeContext, _ transaction: borrowing WriteTransaction
  ) throws -> RegistrationAttempt {
    guard var record = try context.tables.record(id, in: transaction) else {
      throw StoreError.unknownNode(id)
    }
    guard record.state == .live else { throw StoreError.stale(id) }
    guard record.type == file.candidate.status.type else { throw GateRefusal.fileType }
    var gone: [KeyHolder] = []
    for holder in try holders(context, transaction) {
      let relation = file.relation(to: holder)
      if holder.liveNode == id {
        // What it has now is this very file, or is gone by the server's own word.
        if relation == .same { return done(replaced: nil) }
        continue
      }
      switch relation {
      case .contested: return .contested(holder.file)
      case .stale: return .done(.stale(generation: file.incarnation))
      case .same, .replaced: gone.append(holder)
      case .separate: break
      }
    }
    return try move(&record, displacing: &gone, in: &context, transaction)
  }

  /// Returns who has the new file's key, and its hint.
  private func holders(
    _ context: ChangeContext, _ transaction: borrowing WriteTransaction
  ) throws -> [KeyHolder] {
    let named = try context.tables.indexed(file.key, in: transaction)
    var values = [named].compactMap(\.self)
    if file.key.isOpaque {
      let hint = IndexKey(hint: file.candidate.status.inode, on: file.filesystem)
      let hinted = try context.tables.indexed(hint, in: transaction)
      // The node may have the hint itself: the copy can have the same `st_ino` as the original.
      if let hinted, hinted.node != id, hinted.node != named?.node { values.append(hinted) }
    }
    return try values.map { try file.holder($0, context, transaction) }
  }

  private func move(
    _ record: inout Record, displacing gone: inout [KeyHolder], in context: inout ChangeContext,
    _ transaction: borrowing WriteTransaction
  ) throws -> RegistrationAttempt {
    if file.magic == .btrfs {
      try context.note(file.key.file, on: file.filesystem, transaction)
    }
    for i in gone.indices { try context.displace(&gone[i], file.key, transaction) }
    try keepAlias(of: record, in: &context, transaction)
    try context.tables.putKeys(
      file.key, of: id, inode: file.candidate.status.inode, on: file.filesystem, in: transaction)
    record = Record(
      handle: file.candidate.handle, filesystem: file.filesystem, type: record.type,
      parent: record.parent, since: context.now)
    try context.tables.put(&record, file.candidate.handle, for: id, in: transaction)
    context.changed.append((id, record))
    return done(replaced: gone.last { $0.liveNode != nil }?.node)
  }

  private func done(replaced: NodeID?) -> RegistrationAttempt {
    .done(
      Registration(
        node: id, generation: file.incarnation,
        outcome: replaced.map { .replaced($0) } ?? .existing))
  }

  /// Turns the node's present key into that of an alias, unless the new file has the same key.
  private func keepAlias(
    of record: Record, in context: inout ChangeContext,
    _ transaction: borrowing WriteTransaction
  ) throws {
    let tables = context.tables
    let handle = try tables.handle(of: record, id, in: transaction)
    let key = IndexKey(
      handle, on: record.filesystem, try context.filesystems.magic(record.filesystem))
    guard let value = try tables.indexed(key, in: transaction), value.node == id, !value.isAlias
    else { throw StoreError.damaged("node \(id) is live but has no entry in the index") }
    try tables.removeKeys(key, of: id, on: record.filesystem, in: transaction)
    guard key != file.key else { return }
    let alias = Alias(
      node: id, filesystem: record.filesystem, handle: handle, type: record.type,
      since: context.now)
    try tables.put(alias, under: key, in: transaction)
  }
}
