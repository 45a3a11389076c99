// The wall to libpq: only this folder calls its functions. Rules of libpq that the engine must
// know: one thread at a time uses a connection; a child of fork(2) does not use one of its parent;
// names of hosts are looked up by getaddrinfo(3), which keeps to no patience.

internal import CPostgres
internal import Glibc

/// A connection to a server (`PGconn`). One thread uses it at a time: its users keep it behind a
/// lock.
///
/// It prepares each statement once and keeps it prepared, so a pooler between it and the server
/// must not give it another server process (PgBouncer's pool mode `session`).
@safe final class Connection: @unchecked Sendable {
  private let raw: OpaquePointer
  /// Whether the connection is of no use any more. It stays so: make a new one.
  private(set) var isBroken = false
  /// The names of prepared statements, by their texts.
  private var prepared: [String: String] = [:]
  private var names = 0
  /// Which host to try first for the next connection.
  let route: Route
  /// Which run of which server it leads to, if its user has asked.
  var server = ""
  /// Whether a commit was confirmed that is not on the standbys that it should have waited for.
  private var hasSkippedStandbys = false

  /// Connects (`PQconnectStartParams`, `PQconnectPoll`).
  ///
  /// - Parameters:
  ///   - conninfo: a connection string or URI of libpq. What it leaves out comes from service files,
  ///     the environment and the password file, as with all programs that use libpq.
  ///   - patience: how long to try, over all hosts together. A host that does not answer takes an equal
  ///     part of it, unless the string has a `tcp_user_timeout`; `connect_timeout` has no effect.
  ///   - route: the one of an earlier connection.
  /// - Throws: ``PostgresError/unreachable(_:)``.
  init(
    _ conninfo: String, patience: Duration, _ route: Route = Route()
  ) throws(PostgresError) {
    if let problem = unsafe cpostgres_load() {
      throw .unreachable("\(unsafe String(cString: problem)); install libpq5")
    }
    var route = route
    unsafe raw = try Self.connect(conninfo, patience: patience, &route)
    self.route = route
    receiveNotices()
    guard unsafe PQsetnonblocking(raw, 1) == 0, unsafe PQenterPipelineMode(raw) == 1 else {
      throw .unreachable(unsafe Self.message(of: raw))
    }
  }

  deinit { unsafe PQfinish(raw) }

  /// Takes the server's notices, which libpq otherwise prints to standard error. If a statement is
  /// cancelled while its commit waits for a standby, the server confirms the commit with a warning only.
  private func receiveNotices() {
    _ = unsafe PQsetNoticeReceiver(
      raw,
      { connection, notice in
        guard let connection = unsafe connection, unsafe notice.isOfStandbys else { return }
        unsafe Unmanaged<Connection>.fromOpaque(connection).takeUnretainedValue()
          .hasSkippedStandbys = true
      }, Unmanaged.passUnretained(self).toOpaque())
  }

  /// Runs statements, in one round trip, and returns what each returned. Several statements are one
  /// transaction: all take effect, or none does. A failure costs a second round trip, for
  /// `ROLLBACK`.
  ///
  /// - Parameter patience: how long to wait, in all. Then, or if the connection ends, it is broken.
  /// - Throws: ``PostgresError/failed(state:message:)``, the first error of a statement, or of the
  ///   commit; ``PostgresError/unreachable(_:)`` if the connection had ended before;
  ///   ``PostgresError/lost(_:)``.
  /// - Complexity: O(bytes sent and received), all of which are in memory.
  func run(_ statements: [Statement], patience: Duration) throws(PostgresError) -> [Rows] {
    try requireConnection()
    let deadline = Deadline(after: patience)
    if statements.count < 2 { return try exchange(statements, deadline) }
    let rows = try exchange(
      [Statement("BEGIN ISOLATION LEVEL READ COMMITTED")] + statements + [Statement("COMMIT")],
      deadline)
    return Array(rows.dropFirst().dropLast())
  }

  /// Reads what has come since the last run. If the server has closed the connection meanwhile, as
  /// it does when it ends, it is known that nothing was done.
  private func requireConnection() throws(PostgresError) {
    while unsafe !isBroken && Deadline.hasEvent(PQsocket(raw), POLLIN) {
      if unsafe PQconsumeInput(raw) == 0 { isBroken = true }
      // Parses what was read.
      _ = unsafe PQisBusy(raw)
      if unsafe PQstatus(raw) == CONNECTION_BAD { isBroken = true }
    }
    if isBroken { throw .unreachable("the connection has ended") }
  }

  private func exchange(
    _ statements: [Statement], _ deadline: Deadline
  ) throws(PostgresError) -> [Rows] {
    var replies = Replies()
    for statement in statements { try send(statement, &replies) }
    try require(unsafe PQpipelineSync(raw) == 1)
    try receive(&replies, deadline)
    guard !hasSkippedStandbys else { throw lost("the commit did not wait for a standby") }
    guard let failure = replies.failure else { return replies.rows }
    if case .lost = failure { isBroken = true }
    if unsafe !isBroken && PQtransactionStatus(raw) != PQTRANS_IDLE { rollBack(deadline) }
    throw failure
  }

  /// Ends a transaction that failed: the server refuses all other statements until then. If that
  /// fails, the connection is broken.
  private func rollBack(_ deadline: Deadline) {
    do throws(PostgresError) {
      _ = try exchange([Statement("ROLLBACK")], deadline)
    } catch {
      isBroken = true
    }
  }

  // MARK: Sending

  private func send(_ statement: Statement, _ replies: inout Replies) throws(PostgresError) {
    let text = statement.text
    let name: String
    if let known = prepared[text] ?? replies.preparing[text] {
      name = known
    } else {
      names += 1
      name = "s\(names)"
      try prepare(statement, name)
      replies.expectPreparation(text, name)
    }
    try execute(statement, name)
    replies.expectRows()
  }

  /// `PQsendPrepare`.
  private func prepare(_ statement: Statement, _ name: String) throws(PostgresError) {
    let types = statement.parameters.map(\.type.rawValue)
    try require(unsafe PQsendPrepare(raw, name, statement.text, CInt(types.count), types) == 1)
  }

  /// `PQsendQueryPrepared`, with parameters and results in binary.
  private func execute(_ statement: Statement, _ name: String) throws(PostgresError) {
    // All values, one after another. The first byte is of none: an empty value needs an address
    // too.
    var message: [UInt8] = [0]
    var offsets: [Int] = []
    var lengths: [CInt] = []
    for parameter in statement.parameters {
      offsets.append(message.count)
      parameter.append(to: &message)
      lengths.append(CInt(message.count - offsets[offsets.count - 1]))
    }
    let count = CInt(offsets.count)
    let formats = [CInt](repeating: 1, count: offsets.count)
    let sent = unsafe message.withUnsafeBytes { bytes in
      let start = unsafe bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
      let values = unsafe offsets.map { unsafe start?.advanced(by: $0) }
      return unsafe PQsendQueryPrepared(raw, name, count, values, lengths, formats, 1)
    }
    try require(sent == 1)
  }

  // MARK: Receiving

  /// Sends what is not sent yet (`PQflush`), and reads at the same time: the server stops reading
  /// if nobody reads what it answers.
  private func receive(_ replies: inout Replies, _ deadline: Deadline) throws(PostgresError) {
    while true {
      let unsent = unsafe PQflush(raw)
      let isOpen = unsafe unsent >= 0 && PQconsumeInput(raw) == 1
      takeResults(&replies)
      if replies.areComplete { return }
      try require(isOpen, replies.failure)
      guard !deadline.isOver else { throw lost(silence(deadline)) }
      _ = unsafe deadline.wait(for: PQsocket(raw), unsent > 0 ? POLLIN | POLLOUT : POLLIN)
    }
  }

  /// Takes the results that are here (`PQgetResult`), without waiting for more.
  private func takeResults(_ replies: inout Replies) {
    while unsafe !replies.areComplete && PQisBusy(raw) == 0 && PQstatus(raw) == CONNECTION_OK {
      guard let result = unsafe PQgetResult(raw) else {
        replies.endOfResults()
        continue
      }
      if let (text, name) = unsafe replies.take(QueryResult(result)) { prepared[text] = name }
    }
  }

  // MARK: Errors

  private func require(
    _ condition: Bool, _ reason: PostgresError? = nil
  ) throws(PostgresError) {
    if unsafe condition && PQstatus(raw) == CONNECTION_OK { return }
    // The server's own words, if it had time for them.
    if case .failed(_, let message) = reason { throw lost(message) }
    throw lost(libraryMessage)
  }

  private func lost(_ reason: String) -> PostgresError {
    isBroken = true
    return .lost(reason)
  }

  private func silence(_ deadline: Deadline) -> String { Self.silence(deadline.patience) }
  private var libraryMessage: String { unsafe Self.message(of: raw) }
}

extension OpaquePointer? {
  /// Whether a notice is one of syncrep.c. Its text depends on the server's language.
  fileprivate var isOfStandbys: Bool {
    let function = unsafe PQresultErrorField(self, CInt(UInt8(ascii: "R")))
    return unsafe function.map { unsafe String(cString: $0) } == "SyncRepWaitForLSN"
  }
}
