internal import SystemPackage

extension LMDBNodeIndex {
  @inline(__always)
  func register(
    _ candidate: FoundFile, on filesystem: FilesystemID, _ survivors: Survivors
  ) throws -> RegistrationAttempt {
    let change = try registering(on: filesystem, survivors)(candidate)
    if let node = try known(change) { return .done(existing(node)) }
    do {
      return try perform(change)
    } catch {
      guard case .diskFull = describe(error) else { throw error }
      return try allKnown([change], else: error)[0]
    }
  }

  func register(
    batch candidates: [FoundFile], on filesystem: FilesystemID, _ survivors: Survivors
  ) throws -> [RegistrationAttempt] {
    let registering = try registering(on: filesystem, survivors)
    do {
      return try perform(Batch(elements: candidates, change: registering))
    } catch {
      guard case .diskFull = describe(error) else { throw error }
      return try allKnown(candidates.map(registering), else: error)
    }
  }

  func move(
    _ id: NodeID, to candidate: FoundFile, on filesystem: FilesystemID, _ survivors: Survivors
  ) throws -> RegistrationAttempt {
    try perform(Moving(id: id, file: registering(on: filesystem, survivors)(candidate)))
  }

  /// Returns what makes the change that registers a file.
  @inline(__always)
  private func registering(
    on filesystem: FilesystemID, _ survivors: Survivors
  ) throws -> @Sendable (FoundFile) -> Registering {
    guard !isReadOnly else { throw StoreError.readOnly }
    let (magic, incarnation) = (try filesystems.magic(filesystem), incarnation)
    return { candidate in
      Registering(
        candidate: candidate, key: IndexKey(candidate.handle, on: filesystem, magic),
        filesystem: filesystem, magic: magic, incarnation: incarnation, survivors: survivors)
    }
  }

  private func existing(_ node: NodeID) -> Registration {
    Registration(node: node, generation: incarnation, outcome: .existing)
  }

  /// Returns the results if all files are known: these need no room on a full disk.
  ///
  /// - Throws: `error` if a file is not known.
  private func allKnown(
    _ files: [Registering], else error: any Error
  ) throws -> [RegistrationAttempt] {
    try files.map { file in
      guard let node = try stored(file) else { throw error }
      return .done(existing(node))
    }
  }

  /// Returns the file's node if the file is known and nothing has to be written.
  ///
  /// If the writer does not wait for the disk, this asks only the cache: a look-up by the writer
  /// costs less than two look-ups.
  private func known(_ file: Registering) throws -> NodeID? {
    if let node = cached(file) { return node }
    let waits = durability == .power || !hasReservedIDs || file.candidate.mayHaveFurtherParents
    return waits ? try stored(file) : nil
  }

  /// Returns the file's node from the cache.
  private func cached(_ file: Registering) -> NodeID? {
    guard !file.key.isOpaque, let cache, let id = cache.hint(file.key.hash),
      let record = cache.find(id), record.filesystem == file.filesystem,
      record.isLive(file.candidate), !file.candidate.hasFurtherParent(record),
      record.inlineHandle?.fileKey(on: file.magic) == file.key.file
    else { return nil }
    return id
  }

  /// Returns the file's node from LMDB.
  private func stored(_ file: Registering) throws -> NodeID? {
    let transaction = try read()
    guard let value = try tables.indexed(file.key, in: transaction),
      let record = try tables.record(value.node, in: transaction), record.isLive(file.candidate),
      try tables.file(
        under: file.key, value, record: record, on: file.magic, in: transaction
      ).isNamed(by: file.candidate.handle, file.key.file)
    else { return nil }
    let id = value.node
    guard !value.isAlias, file.candidate.hasFurtherParent(record),
      let parent = file.candidate.parent
    else { return id }
    return try tables.has(Place(id, in: parent), in: transaction) ? id : nil
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
    if try !isReadOnly && knowsParent(of: id, candidate) { return true }
    return try perform(RecordingParent(id: id, candidate: candidate))
  }

  /// Whether a node is live, and recording the candidate's parent would change nothing.
  private func knowsParent(of id: NodeID, _ candidate: FoundFile) throws -> Bool {
    let transaction = try read()
    guard let record = try tables.record(id, in: transaction), record.state == .live,
      !candidate.moves(record)
    else { return false }
    guard candidate.hasFurtherParent(record), let parent = candidate.parent else { return true }
    return try tables.has(Place(id, in: parent), in: transaction)
  }

  func furtherParents(of id: NodeID) throws -> [NodeID] {
    try tables.places(of: id, in: read()).map(\.directory)
  }
}

/// Records where a file was found. The result says whether its node is live.
private struct RecordingParent: Change {
  let id: NodeID
  let candidate: FoundFile

  func apply(
    in context: inout ChangeContext, _ transaction: borrowing WriteTransaction
  ) throws -> Bool {
    guard var record = try context.tables.record(id, in: transaction), record.state == .live else {
      return false
    }
    try context.recordParent(of: candidate, &record, id, transaction)
    return true
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
      try tables.put(&record, for: id, in: transaction)
      changed.append((id, record))
      // The file has only the name that was just found.
      if candidate.status.links <= 1 { try tables.removeFurtherParents(of: id, in: transaction) }
    } else if candidate.hasFurtherParent(record), let parent = candidate.parent {
      try tables.put(Place(id, in: parent), in: transaction)
    }
  }
}
