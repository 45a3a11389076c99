/// Why the server did not do what it was asked to. No text has the connection string or a part of
/// it that may be a password.
enum PostgresError: Error, Equatable {
  /// The server refused a statement, and all that was sent with it is undone.
  ///
  /// - Parameter state: the SQLSTATE, five characters (PostgreSQL's manual, appendix A).
  case failed(state: String, message: String)
  /// There is no connection, and nothing was done.
  case unreachable(String)
  /// The connection ended before the server confirmed. What was sent may have taken effect, and it
  /// may still do so after the error: a server that got it whole goes on without its client.
  case lost(String)
}

extension PostgresError: CustomStringConvertible {
  var description: String {
    switch self {
    case .failed(let state, let message): "PostgreSQL refused: \(message) (SQLSTATE \(state))"
    case .unreachable(let reason): "PostgreSQL cannot be reached, and nothing was done: \(reason)"
    case .lost(let reason):
      "PostgreSQL did not confirm, and what was sent may have taken effect: \(reason)"
    }
  }
}
