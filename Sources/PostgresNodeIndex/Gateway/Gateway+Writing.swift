internal import HandleStore
internal import Synchronization

extension Gateway {
  /// Reads the filesystems on record, and the changes of the others, now.
  func refresh() throws { try attempting { try renewOrRejoin(&$0) } }

  /// Decides a change of some nodes, and writes what it does to them.
  ///
  /// - Parameters:
  ///   - keys: the keys whose owners the change may look at.
  ///   - ids: the nodes that it may look at.
  ///   - minting: how many nodes it mints at most.
  ///   - also: what else to read, in the same round trip.
  ///   - decide: makes the change in memory, given what `also` returned, and returns what else to write.
  ///     It runs again if another gateway has changed meanwhile what the change depends on.
  func change<R>(
    keys: [MemoryNodes.Key] = [], ids: [NodeID] = [], minting: Int = 0, also: [Statement] = [],
    limboLimit: Int, _ decide: (inout MemoryNodes, [Rows]) throws -> (R, [Statement])
  ) throws -> R {
    try attempting { state in
      try reserve(minting, &state)
      let (before, found) = try load(keys, ids, also, &state)
      var after = before.nodes
      let (result, further) = try decide(&after, found)
      let changes = RowChanges(from: before, to: after)
      if changes.isEmpty && further.isEmpty { return result }
      let rows = try commit(
        changes.statements(limboLimit: limboLimit) + further,
        minted: changes.minted.count - changes.dropped.count, changed: changes.changed, &state)
      // If the confirmation was lost, others may have changed these nodes since.
      guard rows != nil else { return result }
      state.ids.consume(changes.minted.count)
      cache?.insert(changes.mintedRecords)
      for (id, record) in changes.records { cache?.replace(id, record) }
      return result
    }
  }

  /// Runs statements that change something, in one transaction of this gateway. They must have the same
  /// effect if they run again after they failed.
  ///
  /// - Returns: what they returned; `nil` if they took effect and the confirmation was lost.
  func write(_ statements: [Statement]) throws -> [Rows]? {
    try attempting { try commit(statements, minted: 0, changed: [], &$0) }
  }

  /// Runs a body that uses the gateway's connection. Runs it again if the connection failed or somebody
  /// else was faster, until ``Database/patience`` is over.
  private func attempting<R>(_ body: (inout State) throws -> R) throws -> R {
    let end = ContinuousClock.now + database.patience
    return try state.withLock { state in
      while true {
        if let reason = self.end { throw reason }
        do {
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
        cache?.insert(set.nodes.entries.map { ($0, $1.record) })
        return (set, Array(found.dropFirst(statements.count)))
      } catch StoreError.unknownFilesystem(let id) {
        // Another gateway has added it.
        try renewOrRejoin(&state)
        guard filesystems[id] != nil else { throw StoreError.unknownFilesystem(id) }
      }
    }
  }

  /// Commits statements, if the gateway has its lease. If the confirmation is lost, finds out whether
  /// they took effect.
  ///
  /// - Returns: what the statements returned; `nil` if that was lost.
  private func commit(
    _ statements: [Statement], minted: Int, changed: [NodeID], _ state: inout State
  ) throws -> [Rows]? {
    var all = [state.membership.fence(nodes: minted, changed: changed.count)]
    if !changed.isEmpty { all.append(state.membership.telling(of: changed)) }
    let known = all.count
    all += statements
    do {
      let rows = try run(all, &state)
      state.committed(changed.count)
      return Array(rows.dropFirst(known))
    } catch PostgresError.lost(let reason) {
      state.unsettled = state.membership.writes + 1
      guard try database.retrying({ try rejoin(&state) }) else {
        throw PostgresError.unreachable(reason)
      }
      state.mayHaveLostDeletions = false
      // Readers wait for the lease.
      try? renewOrRejoin(&state)
      return nil
    }
  }
}
