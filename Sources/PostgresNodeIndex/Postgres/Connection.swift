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

  /// Connects (`PQconnectStartParams`, `PQconnectPoll`).
  ///
  /// - Parameters:
  ///   - conninfo: a connection string or URI of libpq. What it leaves out comes from service
  ///     files, the environment and the password file, as with all programs that use libpq.
  ///   - patience: how long to try, over all hosts together. A host that does not answer takes an
  ///     equal part of it, unless the string has a `tcp_user_timeout`; `connect_timeout` has no
  ///     effect.
  /// - Throws: ``PostgresError/unreachable(_:)``.
  init(_ conninfo: String, patience: Duration) throws(PostgresError) {
    let deadline = Deadline(after: patience)
    if let problem = unsafe cpostgres_load() {
      throw .unreachable("\(unsafe String(cString: problem)); install libpq5")
    }
    let hosts = try ConnectionString.hosts(of: conninfo)
    guard
      let connection = unsafe Self.start(
        ConnectionString.parameters(conninfo, patience: patience, hosts: hosts))
    else { throw .unreachable("there is no memory") }
    unsafe raw = connection
    // Otherwise libpq prints notices to standard error.
    _ = unsafe PQsetNoticeReceiver(raw, { _, _ in }, nil)
    try connect(deadline)
    guard unsafe PQsetnonblocking(raw, 1) == 0, unsafe PQenterPipelineMode(raw) == 1 else {
      throw .unreachable(libraryMessage)
    }
  }

  deinit { unsafe PQfinish(raw) }

  private static func start(_ parameters: [(String, String)]) -> OpaquePointer? {
    var keywords = unsafe parameters.map { unsafe UnsafePointer(strdup($0.0)) } + [nil]
    var values = unsafe parameters.map { unsafe UnsafePointer(strdup($0.1)) } + [nil]
    defer {
      unsafe (keywords + values).forEach { unsafe free(UnsafeMutablePointer(mutating: $0)) }
    }
    return unsafe PQconnectStartParams(&keywords, &values, 1)
  }

  private func connect(_ deadline: Deadline) throws(PostgresError) {
    var state = PGRES_POLLING_WRITING
    while state != PGRES_POLLING_OK {
      if unsafe state == PGRES_POLLING_FAILED || PQstatus(raw) == CONNECTION_BAD {
        throw .unreachable(libraryMessage)
      }
      guard !deadline.isOver else { throw .unreachable(silence(deadline)) }
      let events = state == PGRES_POLLING_READING ? POLLIN : POLLOUT
      // libpq must not look at a socket that is not ready: it would take it for connected.
      if unsafe deadline.wait(for: PQsocket(raw), events) { state = unsafe PQconnectPoll(raw) }
    }
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

  private func silence(_ deadline: Deadline) -> String {
    "the server did not answer within \(deadline.patience)"
  }

  /// libpq's text for what went wrong, on one line.
  private var libraryMessage: String {
    let message = unsafe String(cString: PQerrorMessage(raw))
    return message.split { $0.isNewline || $0 == "\t" }.joined(separator: " ")
  }
}
