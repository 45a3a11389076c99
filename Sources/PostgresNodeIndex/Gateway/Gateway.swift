internal import HandleStore
internal import Synchronization
internal import SystemPackage

/// One of the processes that share a store. It is the only place of this process that changes the
/// store: each change is one transaction, which takes effect only while the gateway has its lease.
///
/// A thread renews the lease. At each renewal the gateway learns what the others have changed; so
/// whatever is in its cache is at most as old as the lease is long. Without a lease nothing is answered
/// from the cache, and nothing is written.
final class Gateway: Sendable {
  let name: String
  let lease: Lease
  let incarnation: UInt32
  let number: UInt64
  let filesystems = KnownFilesystems()
  private let database: Database
  private let cache: NodeCache?
  private let length: Duration
  private let session = Int64.random(in: .min ... .max)
  private let state: Mutex<State>
  private let heartbeat = Mutex<Heartbeat?>(nil)
  private let ending = Mutex<StoreError?>(nil)

  fileprivate struct State {
    var connection: Connection?
    var membership: Membership
    var ids = IDRange()
    /// Numbers of told changes, each with the time at which it was written.
    var told: [(number: Int64, moment: UInt64)] = []
  }

  /// Joins the gateways of a store. Makes the tables if there are none.
  ///
  /// - Parameter length: of the lease.
  init(
    _ name: String, of database: Database, cache: NodeCache?, lease length: Duration
  ) throws {
    (self.name, self.database, self.cache, self.length) = (name, database, cache, length)
    lease = Lease(cache: cache)
    let session = session
    let (connection, membership) = try database.retrying {
      let connection = try database.connect()
      try database.createTables(on: connection)
      let membership = try Self.join(
        name, session, isFirst: true, on: connection, database, length)
      return (connection, membership)
    }
    incarnation = membership.store.incarnation
    number = membership.store.number
    state = Mutex(State(connection: connection, membership: membership))
    try state.withLock { try renewOrRejoin(&$0) }
    heartbeat.withLock { heartbeat in
      heartbeat = Heartbeat(every: length / 5) { [weak self] in self?.beat() }
    }
  }

  /// Why the gateway is of no use any more; `nil` if it is.
  var end: StoreError? { ending.withLock { $0 } }

  /// Gives the lease back, and ends all connections.
  func close() {
    // Outside the lock, because the thread may wait for that of the state.
    let thread = heartbeat.withLock { heartbeat in
      defer { heartbeat = nil }
      return heartbeat
    }
    thread?.stop()
    state.withLock { state in
      guard end == nil else { return }
      ending.withLock { $0 = .closed }
      lease.revoke()
      _ = try? state.connection?.run(
        [state.membership.leaving], patience: min(database.patience, .seconds(1)))
      state.connection = nil
    }
  }

  // MARK: The lease

  private static func join(
    _ name: String, _ session: Int64, isFirst: Bool, on connection: Connection,
    _ database: Database, _ length: Duration
  ) throws -> Membership {
    let statements = Membership.joining(
      name, session: session, isFirst: isFirst, lease: length.milliseconds)
    while true {
      do {
        let found = try connection.run(statements, patience: database.patience)
        guard let membership = try Membership(found) else { throw Superseded(name: name) }
        return membership
      } catch let error as PostgresError where error.isContention {
        continue
      }
    }
  }

  private func beat() {
    state.withLock { state in
      guard end == nil else { return }
      // Without a database there is nothing to do but to try again.
      try? renewOrRejoin(&state)
    }
  }

  /// Renews the lease. If it is over, or the connection is, joins again first, as often as it takes: the
  /// process may be stopped at any moment.
  private func renewOrRejoin(_ state: inout State) throws {
    while true {
      do {
        return try renew(&state)
      } catch let error as PostgresError where error.isContention || error.isOfConnection {
        _ = try rejoin(&state)
      }
    }
  }

  /// Renews the lease, and learns what the others have changed.
  private func renew(_ state: inout State) throws {
    while true {
      let moment = SystemCalls.sinceBoot
      let told = state.forgetTold(before: moment, 2 * length.nanoseconds)
      let found = try run(
        state.membership.renewing(lease: length.milliseconds, told: told), &state)
      try takeFilesystems(found[3])
      let changed = state.membership.take(found[1], of: found[2])
      for node in changed ?? [] { cache?.replace(node, nil) }
      guard changed != nil else { continue }
      return lease.renew(from: moment, for: length.nanoseconds)
    }
  }

  /// Joins again, under a new epoch: after the lease was over, or the connection was lost.
  ///
  /// - Returns: how many writes of this gateway took effect.
  private func rejoin(_ state: inout State) throws -> Int64 {
    do {
      if state.connection?.isBroken ?? true { state.connection = try database.connect() }
      guard let connection = state.connection else {
        throw PostgresError.unreachable("no connection")
      }
      let before = state.membership
      let membership = try Self.join(
        name, session, isFirst: false, on: connection, database, length)
      guard membership.store.number == before.store.number else {
        throw StoreError.damaged("the database has another store by now")
      }
      // A database that has lost something may have lost nodes that the cache has.
      if lease.isOver || membership.store.lineage != before.store.lineage {
        lease.revoke()
        state.membership = membership
      } else {
        state.membership = membership
        state.membership.seen = before.seen
      }
      return membership.writes
    } catch let error as Superseded {
      let end = StoreError.inUse(path: FilePath("the gateway \(error.name)"), pid: nil)
      ending.withLock { $0 = end }
      lease.revoke()
      throw end
    }
  }

  private func takeFilesystems(_ rows: Rows) throws {
    for row in 0..<rows.count {
      guard let id = rows.integer(row, 0).flatMap({ UInt16(exactly: $0) }),
        let known = rows.text(row, 1).flatMap({ KnownFilesystem(text: $0) })
      else { throw StoreError.damaged("a row of handlestore_filesystem makes no sense") }
      filesystems[FilesystemID(rawValue: id)] = known
    }
  }

  /// Reads the filesystems on record, and the changes of the others, now.
  func refresh() throws { try whileReachable { try renewOrRejoin(&$0) } }

  // MARK: Writing

  private func run(_ statements: [Statement], _ state: inout State) throws -> [Rows] {
    guard let connection = state.connection, !connection.isBroken else {
      throw PostgresError.unreachable("the connection has ended")
    }
    return try connection.run(statements, patience: database.patience)
  }

  /// Runs a body with the gateway's connection. If the database cannot be reached, reconnects and
  /// tries again until ``Database/patience`` is over.
  private func whileReachable<R>(_ body: (inout State) throws -> R) throws -> R {
    try state.withLock { state in
      let end = ContinuousClock.now + database.patience
      while true {
        if let reason = self.end { throw reason }
        do {
          return try body(&state)
        } catch let error as PostgresError where error.isOfConnection {
          guard ContinuousClock.now < end else { throw error }
          if (try? rejoin(&state)) == nil { SystemCalls.sleep(microseconds: 20_000) }
        }
      }
    }
  }

  /// Decides a change of some nodes, and writes what it does to them. Decides again if another gateway
  /// changed meanwhile what the change depends on.
  ///
  /// - Parameters:
  ///   - keys: the keys whose owners the change may look at.
  ///   - ids: the nodes that it may look at.
  ///   - minting: how many nodes it mints at most.
  ///   - also: what else to read, in the same round trip.
  ///   - decide: makes the change in memory, given what `also` returned. It runs again if need be.
  func change<R>(
    keys: [MemoryNodes.Key] = [], ids: [NodeID] = [], minting: Int = 0, also: [Statement] = [],
    limboLimit: Int, _ decide: (inout MemoryNodes, [Rows]) throws -> (R, [Statement])
  ) throws -> R {
    try whileReachable { state in
      while true {
        try reserve(minting, &state)
        let before = try load(keys, ids, also, &state)
        var after = before.set.nodes
        let (result, further) = try decide(&after, before.also)
        let changes = RowChanges(from: before.set, to: after)
        if changes.isEmpty && further.isEmpty { return result }
        let statements = changes.statements(limboLimit: limboLimit) + further
        if try write(statements, changes, &state) { return result }
      }
    }
  }

  /// Runs statements that change something, in one transaction of this gateway. They must have the same
  /// effect if they run again after they failed.
  func write(_ statements: [Statement]) throws -> [Rows] {
    try whileReachable { state in
      while true {
        if let rows = try commit(statements, minted: 0, changed: [], &state) { return rows }
      }
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
        // What another gateway has changed may be known here before it is told.
        for (id, entry) in set.nodes.entries { cache?.replace(id, entry.record) }
        return (set, Array(found.dropFirst(statements.count)))
      } catch StoreError.unknownFilesystem(let id) {
        // Another gateway has added it.
        try renewOrRejoin(&state)
        guard filesystems[id] != nil else { throw StoreError.unknownFilesystem(id) }
      }
    }
  }

  /// Writes a change; returns `false` if it depends on something that has changed.
  private func write(
    _ statements: [Statement], _ changes: RowChanges, _ state: inout State
  ) throws -> Bool {
    let done = try commit(
      statements, minted: changes.minted.count - changes.dropped.count, changed: changes.changed,
      &state)
    guard done != nil else { return false }
    state.ids.consume(changes.minted.count)
    cache?.insert(changes.mintedRecords)
    for (id, record) in changes.records { cache?.replace(id, record) }
    return true
  }

  /// Commits statements, if the gateway has its lease. If the confirmation is lost, finds out whether
  /// they took effect.
  ///
  /// - Returns: what the statements returned, nothing if that was lost; `nil` if they did not take
  ///   effect.
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
    } catch let error as PostgresError where error.isContention {
      if lease.isOver { _ = try rejoin(&state) }
      try renewOrRejoin(&state)
      return nil
    } catch PostgresError.lost {
      let expected = state.membership.writes + 1
      let writes = try database.retrying { try rejoin(&state) }
      return writes == expected ? [] : nil
    }
  }
}

extension Gateway.State {
  fileprivate mutating func committed(_ changed: Int) {
    membership.writes += 1
    guard changed > 0 else { return }
    membership.changes += Int64(changed)
    told.append((membership.changes, SystemCalls.sinceBoot))
  }

  /// Returns the number of the last change that was told at least `age` before a moment.
  fileprivate mutating func forgetTold(before moment: UInt64, _ age: UInt64) -> Int64 {
    guard let last = told.lastIndex(where: { $0.moment + age < moment }) else { return 0 }
    defer { told.removeFirst(last + 1) }
    return told[last].number
  }
}

/// Another process has joined under the gateway's name.
private struct Superseded: Error {
  let name: String
}

extension Duration {
  var nanoseconds: UInt64 { UInt64(milliseconds) * 1_000_000 }

  var milliseconds: Int64 {
    let parts = components
    return parts.seconds * 1000 + parts.attoseconds / 1_000_000_000_000_000
  }
}
