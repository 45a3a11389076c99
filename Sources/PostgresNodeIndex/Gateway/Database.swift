internal import HandleStore
internal import HandleLocks
internal import SystemPackage

/// A database that has a store, and the connections for reading from it. Any thread may use it.
final class Database: Sendable {
  private let conninfo: String
  /// How long a call waits for the database, in all, before it fails.
  let patience: Duration
  private let idle = Locked<[Connection]>([])
  private let route = Locked(Route())
  /// The server that has the lease of a gateway, and the lease; `nil` if the process is none.
  private let home = Locked<(server: String, lease: Lease)?>(nil)

  init(_ conninfo: String, patience: Duration) {
    (self.conninfo, self.patience) = (conninfo, patience)
  }

  func connect() throws -> Connection {
    let connection = try Connection(conninfo, patience: patience, route.withLock { $0 })
    route.withLock { $0 = connection.route }
    let rows = try connection.run([Self.planning, settings], patience: patience)
    connection.server = rows[1].text(0, 0) ?? ""
    return connection
  }

  /// What the rules need of a session: a commit that is confirmed is on the server's disk; a wait
  /// for a lock ends before its caller gives up; and the server ends a session soon whose client
  /// was cut off.
  private var settings: Statement {
    Statement(
      """
      SELECT (SELECT system_identifier FROM pg_control_system()) || ' '
          || extract(epoch FROM pg_postmaster_start_time()),
        set_config('synchronous_commit', CASE current_setting('synchronous_commit')
          WHEN 'off' THEN 'local' ELSE current_setting('synchronous_commit') END, false),
        set_config('lock_timeout', $1, false),
        set_config('tcp_keepalives_idle', '5', false), set_config('tcp_keepalives_interval', '5', false),
        set_config('tcp_keepalives_count', '3', false),
        set_config('client_connection_check_interval', '5s', false)
      """, [.text("\(max(1, patience.milliseconds * 3 / 4))")])
  }

  /// Lets the server plan each statement once for a connection, so that none is planned again for
  /// values that it takes for special, and use indexes only. A table may have no rows when the plan
  /// is made, and a million when it is used.
  private static let planning = Statement(
    "SELECT set_config('plan_cache_mode', 'force_generic_plan', false), "
      + ["seqscan", "bitmapscan"]
      .map { "set_config('enable_\($0)', 'off', false)" }.joined(separator: ", ")
      // A plan that cannot do without what is off counts as so expensive that it would be compiled.
      + ", set_config('jit', 'off', false)")

  func close() { idle.withLock { $0 = [] } }

  /// Reads from now on only from the server to which a connection leads, while a lease lasts that this
  /// server has confirmed.
  func follow(_ connection: Connection, _ lease: Lease) {
    let isOther = home.withLock { home in
      defer { home = (connection.server, lease) }
      return home?.server != connection.server
    }
    if isOther { close() }
  }

  /// A server that was replaced while it was stopped or cut off goes on for some time as if nothing had
  /// happened. What it answers then may be as old as that. It can confirm no lease.
  private func requireLease(on connection: Connection) throws {
    guard let (server, lease) = home.withLock({ $0 }) else { return }
    guard server == connection.server, !lease.isOver else {
      throw PostgresError.unreachable("the gateway has no lease from the server that answered")
    }
  }

  /// Runs statements that only read.
  func read(_ statements: [Statement]) throws -> [Rows] {
    try retrying {
      let connection = try idle.withLock { $0.popLast() } ?? connect()
      let rows: [Rows]
      do {
        rows = try connection.run(statements, patience: patience)
      } catch {
        // The others are likely to be broken, too.
        if connection.isBroken { close() }
        throw error
      }
      try requireLease(on: connection)
      idle.withLock { if $0.count < Self.mostIdle { $0.append(connection) } }
      return rows
    }
  }

  private static let mostIdle = 16

  /// Runs a body, and again if a connection fails meanwhile, until ``patience`` is over.
  func retrying<R>(_ body: () throws -> R) throws -> R {
    let end = ContinuousClock.now + patience
    while true {
      do {
        return try body()
      } catch let error as PostgresError where error.isOfConnection {
        guard ContinuousClock.now < end else { throw error }
        SystemCalls.sleep(microseconds: 20_000)
      }
    }
  }

  func read(_ statement: Statement) throws -> Rows { try read([statement])[0] }

  /// Makes the store, unless it is there: all its tables, or none of them. Returns whether it made
  /// it.
  @discardableResult
  func createTables(on connection: Connection) throws -> Bool {
    func run(_ statement: Statement) throws -> Rows {
      try connection.run([statement], patience: patience)[0]
    }
    let present = Statement("SELECT to_regclass('handlestore_store') IS NOT NULL")
    guard try run(present).boolean(0, 0) == false else { return false }
    // One by one: a statement can be prepared only when the tables that it names are there.
    _ = try run(Statement("BEGIN"))
    do {
      for text in Schema.create { _ = try run(Statement(text)) }
      let made = try run(Schema.first).affected
      _ = try run(Statement("COMMIT"))
      // Another process may have made it meanwhile.
      return made > 0
    } catch {
      _ = try? run(Statement("ROLLBACK"))
      throw error
    }
  }

  /// Returns the number and the incarnation of the store.
  ///
  /// - Throws: ``StoreError/unsupportedVersion(found:supported:)``.
  func numbers(on connection: Connection) throws -> (UInt64, UInt32) {
    let rows = try connection.run(
      [Statement("SELECT number, incarnation, format::bigint FROM handlestore_store")],
      patience: patience)[0]
    guard rows.count == 1, let number = rows.integer(0, 0), let incarnation = rows.integer(0, 1),
      let format = rows.integer(0, 2)
    else { throw StoreError.damaged("handlestore_store has no row") }
    guard format == Schema.format else {
      throw StoreError.unsupportedVersion(found: Int(format), supported: Int(Schema.format))
    }
    return (UInt64(bitPattern: number), UInt32(truncatingIfNeeded: incarnation))
  }

  /// Runs a body in a transaction over a connection of its own, while this process, and no other
  /// one that uses the store, has a lock. If the process is stopped meanwhile, the lock and the
  /// transaction end after ``patience``, and the call throws.
  func withLock<R>(_ name: String, _ body: (Connection) throws -> R) throws -> R {
    let connection = try retrying { try connect() }
    func run(_ text: String, _ parameters: [Parameter] = []) throws {
      _ = try connection.run([Statement(text, parameters)], patience: patience)
    }
    try run("BEGIN")
    try run(
      "SELECT set_config('idle_in_transaction_session_timeout', $1, true)",
      [.text("\(patience.milliseconds)")])
    try run("SELECT name FROM handlestore_lock WHERE name = $1 FOR UPDATE", [.text(name)])
    let result = try body(connection)
    try run("COMMIT")
    return result
  }
}

extension PostgresError {
  /// Whether the statements may succeed if they are decided again: somebody else was faster, or a
  /// check that is written as a division failed.
  var isContention: Bool {
    guard case .failed(let state, _) = self else { return false }
    return ["22012", "23505", "40001", "40P01", "55P03"].contains(state)
  }

  /// Whether the gateway may be fenced: a check that is written as a division failed.
  var mayBeFence: Bool { if case .failed("22012", _) = self { true } else { false } }

  /// Whether the connection failed, or the server ends or does not take writes: another one may.
  var isOfConnection: Bool {
    switch self {
    case .unreachable, .lost: true
    case .failed(let state, _): ["25006", "57P01", "57P02", "57P03"].contains(state)
    }
  }
}
