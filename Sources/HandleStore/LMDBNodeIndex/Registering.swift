internal import SystemPackage

/// Registers a file: finds its node, or mints one.
struct Registering: Change {
  let candidate: FoundFile
  let key: IndexKey
  let filesystem: FilesystemID
  let magic: FilesystemMagic
  let incarnation: UInt32
  let survivors: Survivors

  func apply(
    in context: inout ChangeContext, _ transaction: borrowing WriteTransaction
  ) throws -> RegistrationAttempt {
    let id = try context.ids.next()
    let replaced: NodeID?
    switch try takeKey(for: id, in: &context, transaction) {
    case .taken(let old): replaced = old
    case .contested(let other): return .contested(other)
    case .stale: return .done(.stale(generation: incarnation))
    case .same(let node):
      context.registered.append((key.hash, node))
      return .done(Registration(node: node, generation: incarnation, outcome: .existing))
    }
    if magic == .btrfs { try context.note(key.file, on: filesystem, transaction) }
    try mint(id, in: &context, transaction)
    context.registered.append((key.hash, id))
    return .done(
      Registration(
        node: id, generation: incarnation, outcome: replaced.map { .replaced($0) } ?? .created))
  }

  private func mint(
    _ id: NodeID, in context: inout ChangeContext, _ transaction: borrowing WriteTransaction
  ) throws {
    context.ids.take()
    var record = Record(
      handle: candidate.handle, filesystem: filesystem, type: candidate.status.type,
      parent: candidate.parent, since: context.now)
    try context.tables.append(&record, candidate.handle, for: id, in: transaction)
    context.added.append((id, record))
  }

  // MARK: The key

  /// What became of the candidate's key.
  private enum Taking {
    /// The new node has it. A live node that had it before is stale now.
    case taken(from: NodeID?)
    /// The candidate's own node has it.
    case same(NodeID)
    case contested(FileRelation.File)
    case stale
  }

  /// Gives the candidate's key to the node `id`, unless it cannot have it.
  private func takeKey(
    for id: NodeID, in context: inout ChangeContext, _ transaction: borrowing WriteTransaction
  ) throws -> Taking {
    if key.isOpaque { return try takeOpaqueKey(for: id, in: &context, transaction) }
    guard let value = try context.tables.insert(IndexValue(id), for: key, in: transaction) else {
      return .taken(from: nil)
    }
    var holder = try holder(value, context, transaction)
    switch relation(to: holder) {
    case .contested: return .contested(holder.file)
    case .stale: return .stale
    case .same:
      if let node = try own(&holder, in: &context, transaction) { return .same(node) }
    case .replaced, .separate: break
    }
    try context.displace(&holder, key, transaction)
    try transaction.put(IndexValue(id), for: key, in: context.tables.inodes)
    return .taken(from: holder.liveNode)
  }

  private func takeOpaqueKey(
    for id: NodeID, in context: inout ChangeContext, _ transaction: borrowing WriteTransaction
  ) throws -> Taking {
    let named = try context.tables.indexed(key, in: transaction)
    let hint = IndexKey(hint: candidate.status.inode, on: filesystem)
    let hinted = try context.tables.indexed(hint, in: transaction)
    var gone: [KeyHolder] = []
    for value in [named, hinted?.node == named?.node ? nil : hinted].compactMap(\.self) {
      var holder = try holder(value, context, transaction)
      switch relation(to: holder) {
      case .contested: return .contested(holder.file)
      case .stale: return .stale
      case .same:
        if let node = try own(&holder, in: &context, transaction) { return .same(node) }
        gone.append(holder)
      case .separate where value.node != named?.node: break
      case .replaced, .separate: gone.append(holder)
      }
    }
    for i in gone.indices { try context.displace(&gone[i], key, transaction) }
    try context.tables.putKeys(
      key, of: id, inode: candidate.status.inode, on: filesystem, in: transaction)
    return .taken(from: gone.last { $0.liveNode != nil }?.liveNode)
  }

  /// Returns the candidate's node, if the holder of its key is of the very same file: the node that
  /// has the key, or the node that an alias stands for, if that is live.
  private func own(
    _ holder: inout KeyHolder, in context: inout ChangeContext,
    _ transaction: borrowing WriteTransaction
  ) throws -> NodeID? {
    guard !holder.isAlias else { return holder.record.state == .live ? holder.node : nil }
    try context.recordParent(of: candidate, &holder.record, holder.node, transaction)
    return holder.node
  }
}

/// Who has a key in the index: a live node, or an alias of a node.
struct KeyHolder {
  let node: NodeID
  /// The node's record.
  var record: Record
  let isAlias: Bool
  /// The file that the key is of.
  let file: FileRelation.File

  /// The node, if it has the key itself.
  var liveNode: NodeID? { isAlias ? nil : node }
}

extension Registering {
  /// Returns who has a key of the candidate, given what the index has under it.
  @inline(__always)
  func holder(
    _ value: IndexValue, _ context: ChangeContext, _ transaction: borrowing WriteTransaction
  ) throws -> KeyHolder {
    let (id, tables) = (value.node, context.tables)
    let record =
      value.isAlias
      ? try tables.record(withAlias: id, in: transaction)
      : try tables.record(indexed: id, on: filesystem, in: transaction)
    let file = try tables.file(under: key, value, record: record, on: magic, in: transaction)
    return KeyHolder(node: id, record: record, isAlias: value.isAlias, file: file)
  }

  /// Returns how the candidate is related to the file that has its key.
  @inline(__always)
  func relation(to holder: KeyHolder) -> FileRelation {
    FileRelation(
      of: FileRelation.File(
        handle: candidate.handle, key: key.file, type: candidate.status.type),
      to: holder.file, survivor: survivors[candidate.handle, holder.file.handle])
  }
}

extension ChangeContext {
  /// Makes a node that has a key stale, or removes the alias that has it.
  mutating func displace(
    _ holder: inout KeyHolder, _ key: IndexKey, _ transaction: borrowing WriteTransaction
  ) throws {
    if holder.isAlias {
      try tables.removeAlias(under: key, of: holder.node, in: transaction)
    } else {
      try retire(holder.node, &holder.record, in: transaction)
    }
  }
}
