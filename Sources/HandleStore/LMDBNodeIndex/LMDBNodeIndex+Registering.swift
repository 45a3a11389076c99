internal import SystemPackage

extension LMDBNodeIndex {
  @inline(__always)
  func register(
    _ candidate: FoundFile, on filesystem: FilesystemID, _ survivors: Survivors
  ) throws -> RegistrationAttempt {
    let registrar = try registrar(on: filesystem, survivors)
    let key = registrar.key(of: candidate.handle)
    if let node = try known(candidate, under: key, registrar) { return .done(existing(node)) }
    do {
      return try perform(OneFile(candidate: candidate, key: key, registrar: registrar))
    } catch {
      guard case .diskFull = describe(error) else { throw error }
      return try allKnown([candidate], registrar, else: error)[0]
    }
  }

  /// The registration of one file.
  private struct OneFile: Change {
    let candidate: FoundFile
    let key: IndexKey
    let registrar: Registrar

    @inline(__always)
    func apply(
      in context: inout ChangeContext, _ transaction: borrowing WriteTransaction
    ) throws -> RegistrationAttempt {
      let tables = context.tables
      return try registrar.register(candidate, under: key, to: tables, in: &context, transaction)
    }
  }

  func register(
    batch candidates: [FoundFile], on filesystem: FilesystemID, _ survivors: Survivors
  ) throws -> [RegistrationAttempt] {
    let registrar = try registrar(on: filesystem, survivors)
    let order = registrar.order(of: candidates)
    do {
      return try perform(weight: candidates.count) { context, transaction in
        let nodes = try NewNodesInOrder(context.tables, in: transaction)
        var results = [RegistrationAttempt](
          repeating: .done(.stale(generation: registrar.incarnation)), count: candidates.count)
        // A span lends each candidate, and the array would copy it.
        let candidates = candidates.span
        for i in order {
          results[i] = try registrar.register(candidates[i], to: nodes, in: &context, transaction)
        }
        return results
      }
    } catch {
      guard case .diskFull = describe(error) else { throw error }
      return try allKnown(candidates, registrar, else: error)
    }
  }

  func move(
    _ id: NodeID, to candidate: FoundFile, on filesystem: FilesystemID, _ survivors: Survivors
  ) throws -> RegistrationAttempt {
    let registrar = try registrar(on: filesystem, survivors)
    return try perform { try registrar.move(id, to: candidate, in: &$0, $1) }
  }

  private func registrar(
    on filesystem: FilesystemID, _ survivors: Survivors
  ) throws -> Registrar {
    guard !isReadOnly else { throw StoreError.readOnly }
    return Registrar(
      filesystem: filesystem, magic: try filesystems.magic(filesystem), incarnation: incarnation,
      survivors: survivors)
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
      guard let node = try stored(candidate, under: key, registrar) else { throw error }
      return .done(existing(node))
    }
  }

  /// Returns the file's node if the file is known and nothing has to be written.
  ///
  /// If the writer does not wait for the disk, this asks only the cache: a look-up by the writer
  /// costs less than two look-ups.
  private func known(
    _ candidate: FoundFile, under key: IndexKey, _ registrar: Registrar
  ) throws -> NodeID? {
    if let node = cached(candidate, under: key, registrar) { return node }
    let waits = durability == .power || !hasReservedIDs || candidate.mayHaveFurtherParents
    return waits ? try stored(candidate, under: key, registrar) : nil
  }

  /// Returns the file's node from the cache.
  private func cached(
    _ candidate: FoundFile, under key: IndexKey, _ registrar: Registrar
  ) -> NodeID? {
    guard let file = key.file else { return nil }
    return cache?.node(of: candidate, file, on: registrar.filesystem, registrar.magic)
  }

  /// Returns the file's node from LMDB.
  private func stored(
    _ candidate: FoundFile, under key: IndexKey, _ registrar: Registrar
  ) throws -> NodeID? {
    let transaction = try read()
    guard let value = try tables.indexed(key, in: transaction),
      let record = try tables.record(value.node, in: transaction),
      record.isLive(candidate, isAlias: value.isAlias),
      !(value.isAlias && filesystems.isSuperseded(record.filesystem)),
      try tables.file(
        under: key, value, record: record, on: registrar.magic, in: transaction
      ).isNamed(by: candidate.handle, key.file)
    else { return nil }
    let id = value.node
    guard !value.isAlias, candidate.hasFurtherParent(record), let parent = candidate.parent else {
      return id
    }
    return try tables.has(Place(id, in: parent), in: transaction) ? id : nil
  }
}

// MARK: Parents

extension LMDBNodeIndex {
  func recordParent(of id: NodeID, _ candidate: FoundFile) throws -> Bool {
    if try !isReadOnly && knowsParent(of: id, candidate) { return true }
    return try perform { try $0.recordParent(of: id, candidate, in: $1) }
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
