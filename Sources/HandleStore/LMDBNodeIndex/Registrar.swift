internal import SystemPackage

/// Registers files of one filesystem, in order.
struct Registering: Change {
  let candidates: [FoundFile]
  let registrar: Registrar
  let survivors: Survivors

  var weight: Int { candidates.count }

  func apply(
    in context: inout ChangeContext, _ transaction: borrowing WriteTransaction
  ) throws -> [RegistrationAttempt] {
    var results: [RegistrationAttempt] = []
    results.reserveCapacity(candidates.count)
    // A span lends each candidate, and the array would copy it.
    let candidates = candidates.span
    for i in candidates.indices {
      let key = registrar.key(of: candidates[i].handle)
      results.append(
        try registrar.register(candidates[i], key, survivors, in: &context, transaction))
    }
    return results
  }
}

/// Registers one file, without the arrays, which would cost as much as the rest.
struct RegisteringOne: Change {
  let candidate: FoundFile
  let key: IndexKey
  let registrar: Registrar
  let survivors: Survivors

  func apply(
    in context: inout ChangeContext, _ transaction: borrowing WriteTransaction
  ) throws -> RegistrationAttempt {
    try registrar.register(candidate, key, survivors, in: &context, transaction)
  }
}

/// Registers files of one filesystem in a transaction.
struct Registrar {
  let filesystem: FilesystemID
  let magic: FilesystemMagic
  let incarnation: UInt32

  /// Returns the key of a file in the index.
  func key(of handle: KernelFileHandle) -> IndexKey { IndexKey(handle, on: filesystem, magic) }

  /// Finds a candidate's node, or mints one.
  func register(
    _ candidate: FoundFile, _ key: IndexKey, _ survivors: Survivors,
    in context: inout ChangeContext, _ transaction: borrowing WriteTransaction
  ) throws -> RegistrationAttempt {
    let id = try context.ids.next()
    let replaced: NodeID?
    switch try take(key, for: id, candidate, survivors, in: &context, transaction) {
    case .new: replaced = nil
    case .other(let old): replaced = old
    case .contested(let old): return .contested(old)
    case .stale: return .done(.stale(generation: incarnation))
    case .same(let node):
      context.registered.append((key.hash, node))
      return .done(Registration(node: node, generation: incarnation, outcome: .existing))
    }
    if magic == .btrfs { try context.note(key.file, on: filesystem, transaction) }
    try mint(id, candidate, in: &context, transaction)
    context.registered.append((key.hash, id))
    return .done(
      Registration(
        node: id, generation: incarnation, outcome: replaced.map { .replaced($0) } ?? .created))
  }

  /// What became of a key.
  private enum Taking {
    /// It was free, or a node that was not live had it. The new node has it now.
    case new
    /// This live node had it, and is stale now. The new node has it.
    case other(NodeID)
    /// The candidate's own node has it.
    case same(NodeID)
    case contested(NodeID)
    case stale
  }

  /// Gives a key to the node `id`, which is to be the candidate's, unless it cannot have it.
  private func take(
    _ key: IndexKey, for id: NodeID, _ candidate: FoundFile, _ survivors: Survivors,
    in context: inout ChangeContext, _ transaction: borrowing WriteTransaction
  ) throws -> Taking {
    if key.isOpaque {
      return try takeOpaque(key, for: id, candidate, survivors, in: &context, transaction)
    }
    guard
      let old = try transaction.insertIndex(key, IndexValue(id), size: 8, context.tables)?.node
    else { return .new }
    var record = try transaction.record(indexed: old, on: filesystem, context.tables)
    switch try relation(of: candidate, key, to: old, record, survivors, context, transaction) {
    case .contested: return .contested(old)
    case .stale: return .stale
    case .same:
      if let node = try own(old, &record, candidate, in: &context, transaction) {
        return .same(node)
      }
    case .replaced, .separate: break
    }
    let wasLive = record.state == .live
    try context.retire(old, &record, transaction)
    try transaction.putIndex(key, IndexValue(id), size: 8, context.tables)
    return wasLive ? .other(old) : .new
  }

  private func takeOpaque(
    _ key: IndexKey, for id: NodeID, _ candidate: FoundFile, _ survivors: Survivors,
    in context: inout ChangeContext, _ transaction: borrowing WriteTransaction
  ) throws -> Taking {
    let hint = IndexKey(hint: candidate.status.inode, on: filesystem)
    let named = try transaction.indexed(key, context.tables)?.node
    let hinted = try transaction.indexed(hint, context.tables)?.node
    var gone: [(id: NodeID, record: Record)] = []
    for old in [named, hinted == named ? nil : hinted].compactMap(\.self) {
      var record = try transaction.record(indexed: old, on: filesystem, context.tables)
      switch try relation(of: candidate, key, to: old, record, survivors, context, transaction) {
      case .contested: return .contested(old)
      case .stale: return .stale
      case .same:
        if let node = try own(old, &record, candidate, in: &context, transaction) {
          return .same(node)
        }
        gone.append((old, record))
      case .separate where old != named: break
      case .replaced, .separate: gone.append((old, record))
      }
    }
    var taking = Taking.new
    for (old, var record) in gone {
      if record.state == .live { taking = .other(old) }
      try context.retire(old, &record, transaction)
    }
    try transaction.putKeys(
      key, id, inode: candidate.status.inode, on: filesystem, context.tables)
    return taking
  }

  /// Returns how a candidate is related to a node that the index names.
  func relation(
    of candidate: FoundFile, _ key: IndexKey, to old: NodeID, _ record: Record,
    _ survivors: Survivors, _ context: ChangeContext, _ transaction: borrowing WriteTransaction
  ) throws -> FileRelation {
    let handle = try transaction.handle(of: record, old, context.tables)
    let its = handle.fileKey(on: magic)
    if let file = key.file { try Self.require(its, toBeOfSameInodeAs: file, old) }
    return FileRelation(
      of: FileRelation.File(
        handle: candidate.handle, key: key.file, type: candidate.status.type),
      to: FileRelation.File(handle: handle, key: its, type: record.type),
      survivor: survivors[candidate.handle, old])
  }

  static func require(_ its: FileKey?, toBeOfSameInodeAs file: FileKey, _ id: NodeID) throws {
    guard let its, its.isOfSameInode(as: file) else {
      throw StoreError.damaged("the index names node \(id), which has another inode")
    }
  }

  /// Returns the node of a candidate whose key a node of its file has. For an alias, this is the
  /// node that it stands for, or `nil` if that is not live.
  private func own(
    _ id: NodeID, _ record: inout Record, _ candidate: FoundFile,
    in context: inout ChangeContext, _ transaction: borrowing WriteTransaction
  ) throws -> NodeID? {
    guard record.state == .alias else {
      try context.recordParent(of: candidate, &record, id, transaction)
      return id
    }
    guard let target = record.parent else { return nil }
    return try transaction.record(target, context.tables)?.state == .live ? target : nil
  }

  private func mint(
    _ id: NodeID, _ candidate: FoundFile, in context: inout ChangeContext,
    _ transaction: borrowing WriteTransaction
  ) throws {
    context.ids.take()
    var record = Record(
      handle: candidate.handle, filesystem: filesystem, type: candidate.status.type,
      parent: candidate.parent, since: context.now)
    try transaction.appendNode(&record, candidate.handle, id, context.tables)
    context.added.append((id, record))
  }
}
