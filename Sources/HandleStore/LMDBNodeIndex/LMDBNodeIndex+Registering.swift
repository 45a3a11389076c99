internal import SystemPackage

extension LMDBNodeIndex {
  @inline(__always)
  func register(
    _ candidate: FoundFile, on filesystem: FilesystemID, _ survivors: Survivors
  ) throws -> RegistrationAttempt {
    let registrar = try registrar(on: filesystem)
    let key = registrar.key(of: candidate.handle)
    if let node = try known(candidate, key, registrar) { return .done(existing(node)) }
    do {
      return try perform(
        RegisteringOne(
          candidate: candidate, key: key, registrar: registrar, survivors: survivors))
    } catch {
      guard case .diskFull = describe(error) else { throw error }
      return try allKnown([candidate], registrar, else: error)[0]
    }
  }

  func register(
    batch candidates: [FoundFile], on filesystem: FilesystemID, _ survivors: Survivors
  ) throws -> [RegistrationAttempt] {
    let registrar = try registrar(on: filesystem)
    do {
      return try perform(
        Registering(candidates: candidates, registrar: registrar, survivors: survivors))
    } catch {
      guard case .diskFull = describe(error) else { throw error }
      return try allKnown(candidates, registrar, else: error)
    }
  }

  func move(
    _ id: NodeID, to candidate: FoundFile, on filesystem: FilesystemID, _ survivors: Survivors
  ) throws -> RegistrationAttempt {
    let registrar = try registrar(on: filesystem)
    return try perform(
      Moving(
        id: id, candidate: candidate, key: registrar.key(of: candidate.handle),
        registrar: registrar, survivors: survivors))
  }

  private func registrar(on filesystem: FilesystemID) throws -> Registrar {
    guard !isReadOnly else { throw StoreError.readOnly }
    return Registrar(
      filesystem: filesystem, magic: try filesystems.magic(filesystem), incarnation: incarnation)
  }

  private func existing(_ node: NodeID) -> Registration {
    Registration(node: node, generation: incarnation, outcome: .existing)
  }

  /// Returns the results if all files are known: these need no room on a full disk.
  ///
  /// - Throws: `error` if a file is not known.
  private func allKnown(
    _ candidates: [FoundFile], _ registrar: Registrar, else error: any Error
  ) throws -> [RegistrationAttempt] {
    try candidates.map { candidate in
      let key = registrar.key(of: candidate.handle)
      guard let node = try stored(candidate, key, registrar.magic) else { throw error }
      return .done(existing(node))
    }
  }

  /// Returns the file's node if the file is known and nothing has to be written.
  ///
  /// If the writer does not wait for the disk, this asks only the cache: a look-up by the writer
  /// costs less than two look-ups.
  private func known(
    _ candidate: FoundFile, _ key: IndexKey, _ registrar: Registrar
  ) throws -> NodeID? {
    if let node = cached(candidate, key, registrar) { return node }
    let waits = durability == .power || !hasReservedIDs || candidate.mayHaveFurtherParents
    return waits ? try stored(candidate, key, registrar.magic) : nil
  }

  /// Returns the file's node from the cache.
  private func cached(
    _ candidate: FoundFile, _ key: IndexKey, _ registrar: Registrar
  ) -> NodeID? {
    guard !key.isOpaque, let cache, let id = cache.hint(key.hash),
      let record = cache.find(id), record.filesystem == registrar.filesystem,
      record.isLive(candidate), !candidate.hasFurtherParent(record),
      record.inlineHandle?.fileKey(on: registrar.magic) == key.file
    else { return nil }
    return id
  }

  /// Returns the file's node from LMDB.
  private func stored(
    _ candidate: FoundFile, _ key: IndexKey, _ magic: FilesystemMagic
  ) throws -> NodeID? {
    let transaction = try read()
    guard let id = try transaction.indexed(key, tables)?.node,
      let record = try transaction.record(id, tables), record.isLive(candidate),
      try isSameFile(candidate.handle, key, record, id, magic, transaction)
    else { return nil }
    guard candidate.hasFurtherParent(record), let parent = candidate.parent else { return id }
    return try transaction.has(Place(id, in: parent), tables) ? id : nil
  }
}

extension Record {
  /// Whether this is a live node of the candidate's type, and the candidate does not change its
  /// parent.
  fileprivate func isLive(_ candidate: FoundFile) -> Bool {
    state == .live && type == candidate.status.type && !candidate.moves(self)
  }
}

// MARK: Parents

extension LMDBNodeIndex {
  func recordParent(of id: NodeID, _ candidate: FoundFile) throws -> Bool {
    if try !isReadOnly && read().knowsParent(of: id, candidate, tables) { return true }
    return try perform(RecordingParent(id: id, candidate: candidate))
  }

  func furtherParents(of id: NodeID) throws -> [NodeID] {
    try read().places(of: id, tables).map(\.directory)
  }
}

/// Records where a file was found. The result says whether its node is live.
private struct RecordingParent: Change {
  let id: NodeID
  let candidate: FoundFile

  func apply(
    in context: inout ChangeContext, _ transaction: borrowing WriteTransaction
  ) throws -> Bool {
    guard var record = try transaction.record(id, context.tables), record.state == .live else {
      return false
    }
    try context.recordParent(of: candidate, &record, id, transaction)
    return true
  }
}

extension Reading where Self: ~Copyable {
  /// Whether a node is live, and recording the candidate's parent would change nothing.
  fileprivate func knowsParent(
    of id: NodeID, _ candidate: FoundFile, _ tables: Tables
  ) throws -> Bool {
    guard let record = try record(id, tables), record.state == .live, !candidate.moves(record)
    else { return false }
    guard candidate.hasFurtherParent(record), let parent = candidate.parent else { return true }
    return try has(Place(id, in: parent), tables)
  }
}

extension ChangeContext {
  /// Records where a live node's file was found, if that is new.
  mutating func recordParent(
    of candidate: FoundFile, _ record: inout Record, _ id: NodeID,
    _ transaction: borrowing WriteTransaction
  ) throws {
    if candidate.moves(record) {
      record.parent = candidate.parent
      try transaction.putRecord(&record, id, tables)
      changed.append((id, record))
      // The file has only the name that was just found.
      if candidate.status.links <= 1 { try transaction.removeFurtherParents(of: id, tables) }
    } else if candidate.hasFurtherParent(record), let parent = candidate.parent {
      try transaction.put(Place(id, in: parent), tables)
    }
  }
}
