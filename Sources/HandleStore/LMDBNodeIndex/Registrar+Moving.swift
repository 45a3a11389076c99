internal import SystemPackage

/// Gives a live node another file, and keeps the former handle as an alias.
extension Registrar {
  func move(
    _ id: NodeID, to candidate: FoundFile, in context: inout ChangeContext,
    _ transaction: borrowing WriteTransaction
  ) throws -> RegistrationAttempt {
    guard var record = try context.tables.record(id, in: transaction) else {
      throw StoreError.unknownNode(id)
    }
    guard record.state == .live else { throw StoreError.stale(id) }
    guard record.type == candidate.status.type else { throw StoreError.otherType(than: id) }
    let key = key(of: candidate.handle)
    var gone: [KeyHolder] = []
    for holder in try holders(of: candidate, key, for: id, in: context, transaction) {
      let relation = try relation(of: candidate, key, to: holder, in: context, transaction)
      if holder.liveNode == id {
        // The node has this very file already, or its present file is gone: the server says so.
        if relation == .same { return moved(id, replacing: nil) }
        continue
      }
      switch relation {
      case .contested: return .contested(try file(of: holder, key, in: context, transaction))
      case .stale: return .done(.stale(generation: incarnation))
      case .same, .replaced: gone.append(holder)
      case .separate: break
      }
    }
    for i in gone.indices { try context.displace(&gone[i], key, in: transaction) }
    try give(candidate, under: key, to: id, record: &record, in: &context, transaction)
    return moved(id, replacing: gone.last { $0.liveNode != nil }?.node)
  }

  private func moved(_ id: NodeID, replacing replaced: NodeID?) -> RegistrationAttempt {
    .done(
      Registration(
        node: id, generation: incarnation,
        outcome: replaced.map { .replaced($0) } ?? .existing))
  }

  /// Returns the holder of a file's key, and the holder of its hint. The node `id` is left out as
  /// holder of the hint, because the copy can have the same `st_ino` as the original.
  private func holders(
    of candidate: FoundFile, _ key: IndexKey, for id: NodeID, in context: ChangeContext,
    _ transaction: borrowing WriteTransaction
  ) throws -> [KeyHolder] {
    let named = try context.tables.indexed(key, in: transaction)
    var values = [named].compactMap(\.self)
    if key.isOpaque {
      let hint = IndexKey(hint: candidate.status.inode, on: filesystem)
      let hinted = try context.tables.indexed(hint, in: transaction)
      if let hinted, hinted.node != id, hinted.node != named?.node { values.append(hinted) }
    }
    return try values.map { try holder($0, in: context, transaction) }
  }

  private func give(
    _ candidate: FoundFile, under key: IndexKey, to id: NodeID, record: inout Record,
    in context: inout ChangeContext, _ transaction: borrowing WriteTransaction
  ) throws {
    if magic == .btrfs { try context.note(key.file, on: filesystem, in: transaction) }
    try context.keepAlias(of: id, record, unlessUnder: key, in: transaction)
    try context.tables.putKeys(
      key, of: id, inode: candidate.status.inode, on: filesystem, in: transaction)
    record = Record(
      handle: candidate.handle, filesystem: filesystem, type: record.type,
      parent: candidate.parent ?? record.parent, since: context.now)
    try context.tables.put(&record, candidate.handle, for: id, in: transaction)
    context.changed.append((id, record))
  }
}

extension ChangeContext {
  /// Takes a live node's key from it and gives the key to an alias of the node. If the new file has
  /// the same key, makes no alias.
  fileprivate mutating func keepAlias(
    of id: NodeID, _ record: Record, unlessUnder new: IndexKey,
    in transaction: borrowing WriteTransaction
  ) throws {
    let handle = try tables.handle(of: record, id, in: transaction)
    let key = IndexKey(handle, on: record.filesystem, try filesystems.magic(record.filesystem))
    guard let value = try tables.indexed(key, in: transaction), value.node == id, !value.isAlias
    else { throw StoreError.damaged("node \(id) is live but has no entry in the index") }
    try tables.removeKeys(key, of: id, on: record.filesystem, in: transaction)
    guard key != new else { return }
    let alias = Alias(
      node: id, filesystem: record.filesystem, handle: handle, type: record.type, since: now)
    try tables.put(alias, under: key, in: transaction)
  }
}
