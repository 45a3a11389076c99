internal import SystemPackage

/// Registers files of one filesystem, each within a transaction.
struct Registrar: Sendable {
  let filesystem: FilesystemID
  let magic: FilesystemMagic
  let incarnation: UInt32
  let survivors: Survivors

  /// Returns the key of a file in the index.
  @inline(__always)
  func key(of handle: KernelFileHandle) -> IndexKey { IndexKey(handle, on: filesystem, magic) }

  /// Returns the indices of candidates in the order of their inode numbers, in which it is quickest to
  /// register them. Candidates that may have the same key, and those with opaque handles, keep their
  /// order.
  func order(of candidates: [FoundFile]) -> [Int] {
    let span = candidates.span
    var numbers: [UInt64] = []
    numbers.reserveCapacity(span.count)
    for i in span.indices { numbers.append(span[i].handle.fileKey(on: magic)?.number ?? 0) }
    let isSorted = zip(numbers, numbers.dropFirst()).allSatisfy { $0 <= $1 }
    guard !isSorted else { return Array(numbers.indices) }
    return numbers.indices.sorted { (numbers[$0], $0) < (numbers[$1], $1) }
  }

  /// Finds a file's node, or adds one to `nodes`.
  @inline(__always)
  func register(
    _ candidate: borrowing FoundFile, to nodes: borrowing some NodeAdding & ~Copyable & ~Escapable,
    in context: inout ChangeContext, _ transaction: borrowing WriteTransaction
  ) throws -> RegistrationAttempt {
    try register(
      candidate, under: key(of: candidate.handle), to: nodes, in: &context, transaction)
  }

  /// Finds the node of a file with this key, or adds one to `nodes`.
  func register(
    _ candidate: FoundFile, under key: IndexKey,
    to nodes: borrowing some NodeAdding & ~Copyable & ~Escapable,
    in context: inout ChangeContext, _ transaction: borrowing WriteTransaction
  ) throws -> RegistrationAttempt {
    let id = try context.ids.next()
    let replaced: NodeID?
    switch try take(key, of: candidate, for: id, nodes, in: &context, transaction) {
    case .taken(let old): replaced = old
    case .contested(let other): return .contested(other)
    case .stale: return .done(.stale(generation: incarnation))
    case .same(let node):
      context.note(key.file, on: filesystem, has: node)
      return .done(Registration(node: node, generation: incarnation, outcome: .existing))
    }
    if magic == .btrfs { try context.note(key.file, on: filesystem, in: transaction) }
    try mint(id, for: candidate, nodes, in: &context, transaction)
    context.note(key.file, on: filesystem, has: id)
    return .done(
      Registration(
        node: id, generation: incarnation, outcome: replaced.map { .replaced($0) } ?? .created))
  }

  private func mint(
    _ id: NodeID, for candidate: FoundFile,
    _ nodes: borrowing some NodeAdding & ~Copyable & ~Escapable, in context: inout ChangeContext,
    _ transaction: borrowing WriteTransaction
  ) throws {
    context.ids.take()
    var record = Record(
      handle: candidate.handle, filesystem: filesystem, type: candidate.status.type,
      parent: candidate.parent, since: context.now)
    try nodes.append(&record, candidate.handle, for: id, in: transaction)
    context.added.append((id, record))
  }

  // MARK: Taking the key

  /// Who has the candidate's key after ``take(_:of:for:_:in:_:)``.
  private enum Taking {
    /// The new node has it. A live node that had it before is stale now.
    case taken(from: NodeID?)
    /// The candidate's own node has it.
    case same(NodeID)
    indirect case contested(FileRelation.File)
    case stale
  }

  /// Gives a candidate's key to the new node `id`, unless the candidate's own node or another file
  /// keeps the key.
  private func take(
    _ key: IndexKey, of candidate: FoundFile, for id: NodeID,
    _ nodes: borrowing some NodeAdding & ~Copyable & ~Escapable, in context: inout ChangeContext,
    _ transaction: borrowing WriteTransaction
  ) throws -> Taking {
    if key.isOpaque {
      return try takeOpaque(key, of: candidate, for: id, in: &context, transaction)
    }
    guard let value = try nodes.insert(id, for: key, in: transaction) else {
      return .taken(from: nil)
    }
    var holder = try holder(value, in: context, transaction)
    switch try relation(of: candidate, key, to: holder, in: context, transaction) {
    case .contested: return .contested(try file(of: holder, key, in: context, transaction))
    case .stale: return .stale
    case .same:
      if let node = try reuseNode(of: &holder, for: candidate, in: &context, transaction) {
        return .same(node)
      }
    case .replaced, .separate: break
    }
    try context.displace(&holder, key, in: transaction)
    try transaction.put(IndexValue(id), for: key, in: context.tables.inodes)
    return .taken(from: holder.liveNode)
  }

  private func takeOpaque(
    _ key: IndexKey, of candidate: FoundFile, for id: NodeID, in context: inout ChangeContext,
    _ transaction: borrowing WriteTransaction
  ) throws -> Taking {
    let named = try context.tables.indexed(key, in: transaction)
    let hint = IndexKey(hint: candidate.status.inode, on: filesystem)
    let hinted = try context.tables.indexed(hint, in: transaction)
    var gone: [KeyHolder] = []
    for value in [named, hinted?.node == named?.node ? nil : hinted].compactMap(\.self) {
      var holder = try holder(value, in: context, transaction)
      switch try relation(of: candidate, key, to: holder, in: context, transaction) {
      case .contested: return .contested(try file(of: holder, key, in: context, transaction))
      case .stale: return .stale
      case .same:
        if let node = try reuseNode(of: &holder, for: candidate, in: &context, transaction) {
          return .same(node)
        }
        gone.append(holder)
      case .separate where holder.node != named?.node: break
      case .replaced, .separate: gone.append(holder)
      }
    }
    for i in gone.indices { try context.displace(&gone[i], key, in: transaction) }
    try context.tables.putKeys(
      key, of: id, inode: candidate.status.inode, on: filesystem, in: transaction)
    return .taken(from: gone.last { $0.liveNode != nil }?.node)
  }

  /// Returns the node that the holder of the candidate's key already has for the same file, and
  /// records the candidate's parent. Returns `nil` if the holder is an alias of a node that is stale
  /// or on a filesystem that was put back.
  private func reuseNode(
    of holder: inout KeyHolder, for candidate: FoundFile, in context: inout ChangeContext,
    _ transaction: borrowing WriteTransaction
  ) throws -> NodeID? {
    guard !holder.isAlias else {
      let isUsable =
        holder.record.state == .live
        && !context.filesystems.isSuperseded(holder.record.filesystem)
      return isUsable ? holder.node : nil
    }
    try context.recordParent(
      of: candidate, in: &holder.record, for: holder.node, transaction)
    return holder.node
  }
}

/// The holder of a key in the index: a live node, or an alias of a node.
struct KeyHolder {
  let value: IndexValue
  /// The node's record.
  var record: Record

  var node: NodeID { value.node }
  var isAlias: Bool { value.isAlias }
  /// The node, if it has the key itself.
  var liveNode: NodeID? { isAlias ? nil : node }
}

extension Registrar {
  /// Returns the holder of a key, given the value that the index has under the key.
  @inline(__always)
  func holder(
    _ value: IndexValue, in context: ChangeContext, _ transaction: borrowing WriteTransaction
  ) throws -> KeyHolder {
    let record =
      value.isAlias
      ? try context.tables.record(withAlias: value.node, in: transaction)
      : try context.tables.record(indexed: value.node, on: filesystem, in: transaction)
    return KeyHolder(value: value, record: record)
  }

  /// Returns the file of the holder of a key.
  @inline(__always)
  func file(
    of holder: KeyHolder, _ key: IndexKey, in context: ChangeContext,
    _ transaction: borrowing WriteTransaction
  ) throws -> FileRelation.File {
    try context.tables.file(
      under: key, holder.value, record: holder.record, on: magic, in: transaction)
  }

  /// Returns how a candidate is related to the file of the holder of its key.
  @inline(__always)
  func relation(
    of candidate: FoundFile, _ key: IndexKey, to holder: KeyHolder, in context: ChangeContext,
    _ transaction: borrowing WriteTransaction
  ) throws -> FileRelation {
    let other = try file(of: holder, key, in: context, transaction)
    return FileRelation(
      of: FileRelation.File(
        handle: candidate.handle, key: key.file, type: candidate.status.type),
      to: other, survivor: survivors[candidate.handle, other.handle])
  }
}

extension ChangeContext {
  /// Makes a node that has a key stale, or removes the alias that has it.
  mutating func displace(
    _ holder: inout KeyHolder, _ key: IndexKey, in transaction: borrowing WriteTransaction
  ) throws {
    if holder.isAlias {
      try tables.removeAlias(under: key, of: holder.node, in: transaction)
    } else {
      try retire(holder.node, &holder.record, in: transaction)
    }
  }
}
