internal import HandleStore
internal import HandleLocks
internal import Synchronization
internal import SystemPackage

/// One of the processes that share a store. It is the only place of this process that changes the
/// store: each change is one transaction, which takes effect only while the gateway has its lease.
///
/// A thread renews the lease. At each renewal the gateway learns what the others have changed; so
/// whatever is in its cache is at most as old as the lease is long. Without a lease nothing is
/// answered from the cache, and nothing is written.
final class Gateway: Sendable {
  let name: String
  let lease: Lease
  let incarnation: UInt32
  let number: UInt64
  let filesystems: KnownFilesystems
  let database: Database
  let cache: LocalCache?
  let length: Duration
  /// Whether the others must ask this gateway before they drop nodes.
  private let isAsked: Bool
  /// Whether live nodes stay for as long as this gateway is there.
  let keepsLive: Bool
  /// Whether an earlier process under the name had pins that are not taken up yet, as far as is
  /// known.
  let hadPins: Bool
  let evictions = ForeignEvictions()
  /// A random number of this process.
  let session = Int64.random(in: .min ... .max)
  let state: Locked<State>
  private let heartbeat = Locked<Heartbeat?>(nil)
  private let ending = Locked<StoreError?>(nil)
  /// Whether ``ending`` has an error.
  private let hasEnded = Atomic(false)

  struct State {
    var connection: Connection?
    var membership: Membership
    var ids = IDRange()
    /// The number of a write whose confirmation was lost, until it is known whether it took effect.
    var unsettled: Int64?
    /// Whether the store had none of the files that were registered last: then the next ones are
    /// likely to be new, too.
    var expectsNewFiles = false
    /// Whether deletions may have been taken that nobody was told of.
    var mayHaveLostDeletions = false
    /// Numbers of told changes, each with the time at which it was written.
    var told: [(number: Int64, moment: UInt64)] = []
  }

  /// Joins the gateways of a store. Makes the tables if there are none.
  ///
  /// - Parameters:
  ///   - length: of the lease.
  ///   - retention: which nodes may be dropped; `nil` if the gateway hands out none.
  init(
    _ name: String, of database: Database, cache: LocalCache?, _ filesystems: KnownFilesystems,
    lease length: Duration, _ retention: Retention?
  ) throws {
    (self.name, self.database, self.cache, self.length) = (name, database, cache, length)
    (self.filesystems, isAsked, keepsLive) = (filesystems, retention != nil, retention == .forever)
    lease = Lease(cache: cache)
    let session = session
    let terms = GatewayTerms(
      lease: length.milliseconds, isAsked: retention != nil, hasPins: false)
    var (connection, membership) = try database.retrying {
      let connection = try database.connect()
      try database.createTables(on: connection)
      let membership = try Self.join(
        name, session, after: nil, on: connection, database, terms)
      return (connection, membership)
    }
    // That of an earlier process under the name.
    let position = cache?.position.flatMap { CachePosition(text: $0) }
    if !membership.goOn(from: position) { cache?.removeAll() }
    hadPins = membership.hasPins
    database.follow(connection, lease)
    incarnation = membership.store.incarnation
    number = membership.store.number
    state = Locked(State(connection: connection, membership: membership))
    try state.withLock { try renewOrRejoin(&$0) }
    try startHeartbeat()
  }

  private func startHeartbeat() throws {
    do {
      let thread = try Heartbeat(every: length / 5) { [weak self] in self?.beat() }
      heartbeat.withLock { $0 = thread }
    } catch {
      close()
      throw StoreError(error, "starting the thread that renews the lease (see RLIMIT_NPROC)")
    }
  }

  /// Why the gateway is of no use any more; `nil` if it is.
  var end: StoreError? { hasEnded.load(ordering: .acquiring) ? ending.withLock { $0 } : nil }

  /// Notes why the gateway is of no use any more, unless that is known already; returns whether it was
  /// of use.
  @discardableResult
  private func finish(_ reason: StoreError) -> Bool {
    ending.withLock { ending in
      guard ending == nil else { return false }
      ending = reason
      hasEnded.store(true, ordering: .releasing)
      return true
    }
  }

  /// Gives the lease back, removes the gateway's row unless another gateway needs it, and ends all
  /// connections.
  func close() {
    // Outside the lock, because the thread may wait for that of the state.
    let thread = heartbeat.withLock { heartbeat in
      defer { heartbeat = nil }
      return heartbeat
    }
    // Calls that wait for the database give up.
    let wasOpen = finish(.closed)
    thread?.stop()
    state.withLock { state in
      guard wasOpen else { return }
      lease.giveBack()
      _ = try? state.connection?.run(
        state.membership.leaving(withPins: clientsHold),
        patience: min(database.patience, .seconds(1)))
      state.connection = nil
    }
  }

  // MARK: The lease

  private static func join(
    _ name: String, _ session: Int64, after former: Membership?, on connection: Connection,
    _ database: Database, _ terms: GatewayTerms
  ) throws -> Membership {
    let statements = Membership.joining(name, session: session, after: former, terms)
    let end = ContinuousClock.now + database.patience
    while true {
      do {
        let moment = SystemCalls.sinceBoot
        let found = try connection.run(statements, patience: database.patience)
        guard let membership = try Membership(found, at: moment) else { throw Superseded() }
        return membership
      } catch let error as PostgresError where error.isContention {
        // It may be the format.
        _ = try database.numbers(on: connection)
        guard ContinuousClock.now < end else { throw error }
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

  /// Renews the lease. If it is over, or the connection is, joins again first, as often as it
  /// takes: the process may be stopped at any moment.
  func renewOrRejoin(_ state: inout State) throws {
    let end = ContinuousClock.now + database.patience
    while true {
      do {
        // Whatever it did must be in the cache, or the cache must be empty.
        if try state.unsettled != nil && rejoin(&state) { state.mayHaveLostDeletions = true }
        return try renew(&state)
      } catch let error as PostgresError where error.isContention || error.isOfConnection {
        guard ContinuousClock.now < end else { throw error }
        if try rejoin(&state) { state.mayHaveLostDeletions = true }
      }
    }
  }

  /// Renews the lease, and learns what the others have changed.
  private func renew(_ state: inout State) throws {
    while true {
      let moment = SystemCalls.sinceBoot
      let told = state.forgetTold(before: moment)
      let found = try run(
        state.membership.renewing(session, lease: length.milliseconds, told: told), &state)
      // Otherwise what the others have told since then may be gone.
      if SystemCalls.sinceBoot - state.membership.moment >= 2 * length.nanoseconds {
        lease.revoke()
      }
      try takeFilesystems(found[5], &state)
      let changes = state.membership.take(found[3], of: found[4])
      if !changes.isIncomplete { state.membership.moment = moment }
      cache?.remove(
        changes.nodes,
        at: changes.isIncomplete ? nil : CachePosition(state.membership).text)
      try answer(Eviction.all(in: found[2]), &state)
      if changes.isIncomplete { continue }
      return lease.renew(from: moment, for: length.nanoseconds)
    }
  }

  /// Joins again, under a new epoch: after the lease was over, or the connection was lost. What is
  /// in the cache is forgotten if it may be older than what the others still tell, or if the database
  /// may have lost nodes.
  ///
  /// - Returns: whether the write took effect whose confirmation was lost.
  @discardableResult
  func rejoin(_ state: inout State) throws -> Bool {
    if state.connection?.isBroken ?? true { state.connection = try database.connect() }
    guard let connection = state.connection else {
      throw PostgresError.unreachable("no connection")
    }
    database.follow(connection, lease)
    do {
      let terms = GatewayTerms(
        lease: length.milliseconds, isAsked: isAsked, hasPins: state.membership.hasPins)
      var membership = try Self.join(
        name, session, after: state.membership, on: connection, database, terms)
      guard membership.store.number == number else {
        throw StoreError.database(
          .ioError,
          "another store has taken the place of this one; if that was intended, start the process again"
        )
      }
      // Otherwise a write whose confirmation was lost has changed what is in the cache, or this process or
      // the database was put back to an earlier state, and the ids may be in use.
      let isContinued = membership.writes == state.membership.writes
      if !isContinued { state.ids = IDRange() }
      let position = isContinued ? CachePosition(state.membership) : nil
      if !membership.goOn(from: position) { lease.revoke() }
      // Under another id, or if the database has lost some, the changes have these numbers again.
      if membership.id != state.membership.id || membership.changes < state.membership.changes {
        state.told = []
      }
      state.membership = membership
      return state.settle()
    } catch let error where !(error is PostgresError) {
      // Another process has the name, or the database has another store.
      let end =
        error is Superseded
        ? StoreError.nameTaken(gateway: name)
        : StoreError(ofPostgres: error)
      abandon(end, &state)
      throw end
    }
  }

  /// Ends the gateway: it is of no use any more.
  func abandon(_ reason: StoreError, _ state: inout State) {
    finish(reason)
    lease.revoke()
    state.connection = nil
    database.close()
  }

  /// Runs statements over the gateway's connection.
  func run(_ statements: [Statement], _ state: inout State) throws -> [Rows] {
    guard let connection = state.connection, !connection.isBroken else {
      throw PostgresError.unreachable("the connection has ended")
    }
    return try connection.run(statements, patience: database.patience)
  }
}

extension Gateway.State {
  /// Finds out, after the gateway has joined again, whether a write took effect whose confirmation
  /// was lost. Ids that it may have used are not used again.
  mutating func settle() -> Bool {
    guard let number = unsettled else { return false }
    unsettled = nil
    ids = IDRange()
    return membership.writes == number
  }

  mutating func committed(_ changed: Int) {
    membership.writes += 1
    guard changed > 0 else { return }
    membership.changes += Int64(changed)
    told.append((membership.changes, SystemCalls.sinceBoot))
  }

  /// Returns the number of the last change that was told for long enough at a moment.
  mutating func forgetTold(before moment: UInt64) -> Int64 {
    // Before the first renewal, the leases of the others are not known.
    guard membership.longestLease > 0 else { return 0 }
    let age = UInt64(2 * membership.longestLease) * 1_000_000
    guard let last = told.lastIndex(where: { $0.moment + age < moment }) else { return 0 }
    defer { told.removeFirst(last + 1) }
    return told[last].number
  }
}

/// Another process has joined under the gateway's name.
private struct Superseded: Error {}

extension Duration {
  var nanoseconds: UInt64 { UInt64(milliseconds) * 1_000_000 }

  var milliseconds: Int64 {
    let parts = components
    return parts.seconds * 1000 + parts.attoseconds / 1_000_000_000_000_000
  }
}
