internal import HandleStore
internal import HandleLocks

extension Gateway {
  /// Reads the filesystems on record, and the changes of the others, now.
  func refresh() throws { try attempting { try renewOrRejoin(&$0) } }

  /// Decides a change of some nodes, and writes what it does to them.
  ///
  /// - Parameters:
  ///   - keys: the keys whose owners the change may look at.
  ///   - ids: the nodes that it may look at.
  ///   - minting: how many nodes it mints at most.
  ///   - mayBeNew: whether nodes with the keys are likely to be missing if the last ones were. Then
  ///     it is tried first to write the change without looking for them.
  ///   - also: what else to read, in the same round trip.
  ///   - decide: makes the change in memory, given what `also` returned, and returns what else to
  ///     write. It runs again if another gateway has changed meanwhile what the change depends on.
  func change<R>(
    keys: [MemoryNodes.Key] = [], ids: [NodeID] = [], minting: Int = 0, mayBeNew: Bool = false,
    also: [Statement] = [], limboLimit: Int,
    _ decide: (inout MemoryNodes, [Rows]) throws -> (R, [FurtherChange])
  ) throws -> R {
    try attempting { state in
      try reserve(minting, &state)
      if mayBeNew && state.expectsNewFiles, let result = try addNewFiles(keys, decide, &state) {
        return result
      }
      let (before, found) = try load(keys, ids, also, &state)
      if mayBeNew { state.expectsNewFiles = before.nodes.entries.isEmpty }
      var after = before.nodes
      let (result, further) = try decide(&after, found)
      let changes = RowChanges(from: before, to: after)
      if changes.isEmpty && further.isEmpty {
        try requireLease()
        return result
      }
      let rows = try commit(
        changes.statements(limboLimit: limboLimit) + further.map(\.statement),
        minted: changes.minted.count - changes.dropped.count, changed: changes.changed, &state)
      for (id, known) in further.compactMap(\.filesystem) { filesystems[id] = known }
      // If the confirmation was lost, others may have changed these nodes since.
      guard rows != nil else { return result }
      takeNewNodes(of: changes, &state)
      cache?.replace(changes.records)
      return result
    }
  }

  /// A server that was replaced answers for a moment, and cannot commit. What is not written counts only
  /// with a lease.
  private func requireLease() throws(PostgresError) {
    guard !lease.isOver else { throw .unreachable("the gateway's lease is over") }
  }

  /// Decides a change as if nobody had the keys, and writes it if that is so: in one round trip
  /// instead of two.
  ///
  /// - Returns: `nil` if nothing is written. Then the gateway must look for the keys.
  private func addNewFiles<R>(
    _ keys: [MemoryNodes.Key], _ decide: (inout MemoryNodes, [Rows]) throws -> (R, [FurtherChange]),
    _ state: inout State
  ) throws -> R? {
    // If this fails, somebody else has added one of the files.
    state.expectsNewFiles = false
    let before = WorkingSet(next: state.ids.first, without: keys)
    var after = before.nodes
    let (result, further) = try decide(&after, [])
    let changes = RowChanges(from: before, to: after)
    guard changes.addsOnlyNewFiles && further.isEmpty else { return nil }
    let rows = try settling(&state) { state in
      try run([state.membership.adding(newFiles: changes)], &state)
    }
    // If the confirmation was lost, it took effect.
    if let rows {
      guard rows[0].affected > 0 else { return nil }
      state.committed(0)
      takeNewNodes(of: changes, &state)
    }
    state.expectsNewFiles = true
    return result
  }

  private func takeNewNodes(of changes: RowChanges, _ state: inout State) {
    state.ids.consume(changes.minted.count)
    cache?.insert(changes.mintedEntries)
  }

  /// Runs statements that change something, in one transaction of this gateway. They must have the
  /// same effect if they run again after they failed.
  ///
  /// - Parameter take: called once they took effect, before anything else is written.
  /// - Returns: what they returned; `nil` if they took effect and the confirmation was lost.
  @discardableResult
  func write(_ statements: [Statement], then take: () -> Void = {}) throws -> [Rows]? {
    try attempting { state in
      let rows = try commit(statements, minted: 0, changed: [], &state)
      take()
      return rows
    }
  }

  /// Runs a body that uses the gateway's connection. Runs it again if the connection failed or
  /// somebody else was faster, until ``Database/patience`` is over.
  private func attempting<R>(_ body: (inout State) throws -> R) throws -> R {
    let end = ContinuousClock.now + database.patience
    return try state.withLock { state in
      while true {
        if let reason = self.end { throw reason }
        do {
          // The next write would have the number of one of which it is not known whether it took effect.
          if state.unsettled != nil { try renewOrRejoin(&state) }
          return try body(&state)
        } catch let error as PostgresError where error.isContention || error.isOfConnection {
          guard ContinuousClock.now < end else { throw error }
          recover(from: error, &state)
        }
      }
    }
  }

  /// Whether deletions may have been taken that nobody was told of; then it is no longer so.
  func takeLostDeletions() -> Bool {
    state.withLock { state in
      defer { state.mayHaveLostDeletions = false }
      return state.mayHaveLostDeletions
    }
  }

  private func recover(from error: PostgresError, _ state: inout State) {
    guard error.isOfConnection || error.mayBeFence else { return }
    do {
      try renewOrRejoin(&state)
    } catch {
      SystemCalls.sleep(microseconds: 20_000)
    }
  }

  private func reserve(_ count: Int, _ state: inout State) throws {
    guard state.ids.count < count else { return }
    let wanted = max(Int64(count), IDRange.length)
    let rows = try run([IDRange.reserving(wanted)], &state)
    try state.ids.take(rows[0], wanted)
  }

  private func load(
    _ keys: [MemoryNodes.Key], _ ids: [NodeID], _ also: [Statement], _ state: inout State
  ) throws -> (set: WorkingSet, also: [Rows]) {
    let statements = WorkingSet.statements(keys: keys, ids: ids)
    while true {
      let found = try run(statements + also, &state)
      do {
        let set = try WorkingSet(
          next: state.ids.first, keys: keys, Array(found.prefix(statements.count)),
          on: filesystems)
        // The next heartbeat, which waits for this change, brings whatever happens to them later.
        cache?.insert(set.nodes.entries.map { LocalCache.Entry($0, $1.record, $1.handle) })
        return (set, Array(found.dropFirst(statements.count)))
      } catch StoreError.unknownFilesystem(let id) {
        // Another gateway has added it.
        try renewOrRejoin(&state)
        guard filesystems[id] != nil else { throw StoreError.unknownFilesystem(id) }
      }
    }
  }

  /// Commits statements, if the gateway has its lease.
  ///
  /// - Returns: what the statements returned; `nil` if they took effect and that was lost.
  private func commit(
    _ statements: [Statement], minted: Int, changed: [NodeID], _ state: inout State
  ) throws -> [Rows]? {
    var all = [state.membership.fence(nodes: minted, changed: changed.count)]
    if !changed.isEmpty { all.append(state.membership.telling(of: changed)) }
    let known = all.count
    all += statements
    guard let rows = try settling(&state, { try run(all, &$0) }) else { return nil }
    state.committed(changed.count)
    return Array(rows.dropFirst(known))
  }

  /// Runs a body that writes. If the confirmation is lost, finds out whether the write took effect.
  ///
  /// - Returns: what the body returned; `nil` if the write took effect and that was lost.
  private func settling<R>(_ state: inout State, _ body: (inout State) throws -> R) throws -> R? {
    do {
      return try body(&state)
    } catch PostgresError.lost(let reason) {
      state.unsettled = state.membership.writes + 1
      guard try database.retrying({ try rejoin(&state) }) else {
        throw PostgresError.unreachable(reason)
      }
      // Readers wait for the lease.
      try? renewOrRejoin(&state)
      return nil
    }
  }
}
