internal import CPostgres
internal import Glibc

extension Connection {
  /// Connects to the first host that answers and has what the string asks for. libpq goes on to the next
  /// host if one refuses, or if the network does not deliver. A host whose server is stopped still takes
  /// connections and says nothing, so after a part of the patience the next host is tried first.
  static func connect(
    _ conninfo: String, patience: Duration, _ route: inout Route
  ) throws(PostgresError) -> OpaquePointer {
    let hosts = try ConnectionString.hosts(of: conninfo)
    let parameters = ConnectionString.parameters(conninfo, patience: patience, hosts: hosts)
    let deadline = Deadline(after: patience)
    repeat {
      let connection = unsafe try start(parameters + route.parameters)
      let all = unsafe route.hosts ?? Hosts(of: connection)
      let part = all.count == 1 ? patience : patience / (all.count + 1)
      if unsafe try isConnected(connection, Deadline(after: part)) { return unsafe connection }
      route.goOn(with: all)
    } while !deadline.isOver
    throw .unreachable(silence(patience))
  }

  /// Begins to connect (`PQconnectStartParams`).
  private static func start(
    _ parameters: [(String, String)]
  ) throws(PostgresError) -> OpaquePointer {
    var keywords = unsafe parameters.map { unsafe UnsafePointer(strdup($0.0)) } + [nil]
    var values = unsafe parameters.map { unsafe UnsafePointer(strdup($0.1)) } + [nil]
    defer {
      unsafe (keywords + values).forEach { unsafe free(UnsafeMutablePointer(mutating: $0)) }
    }
    guard let connection = unsafe PQconnectStartParams(&keywords, &values, 1) else {
      throw .unreachable("there is no memory")
    }
    // Otherwise libpq prints notices to standard error.
    _ = unsafe PQsetNoticeReceiver(connection, { _, _ in }, nil)
    return unsafe connection
  }

  /// Waits until the connection is made. Frees it if it fails, or if that takes longer than a deadline.
  private static func isConnected(
    _ connection: OpaquePointer, _ deadline: Deadline
  ) throws(PostgresError) -> Bool {
    do throws(PostgresError) {
      if unsafe try poll(connection, deadline) { return true }
    } catch {
      unsafe PQfinish(connection)
      throw error
    }
    unsafe PQfinish(connection)
    return false
  }

  /// `PQconnectPoll`; returns `false` if the deadline is over.
  private static func poll(
    _ connection: OpaquePointer, _ deadline: Deadline
  ) throws(PostgresError) -> Bool {
    var state = PGRES_POLLING_WRITING
    while state != PGRES_POLLING_OK {
      if unsafe state == PGRES_POLLING_FAILED || PQstatus(connection) == CONNECTION_BAD {
        throw .unreachable(unsafe message(of: connection))
      }
      guard !deadline.isOver else { return false }
      let events = state == PGRES_POLLING_READING ? POLLIN : POLLOUT
      // libpq must not look at a socket that is not ready: it would take it for connected.
      if unsafe deadline.wait(for: PQsocket(connection), events) {
        state = unsafe PQconnectPoll(connection)
      }
    }
    return true
  }

  static func silence(_ patience: Duration) -> String {
    "the server did not answer within \(patience)"
  }

  /// libpq's text for what went wrong, on one line.
  static func message(of connection: OpaquePointer) -> String {
    let message = unsafe String(cString: PQerrorMessage(connection))
    return message.split { $0.isNewline || $0 == "\t" }.joined(separator: " ")
  }
}
