import TestSupport
import Testing

@testable import PostgresNodeIndex

extension Trait where Self == ConditionTrait {
  /// The tests start a server.
  static var server: Self {
    .enabled(if: DatabaseServer.isInstalled, "PostgreSQL 15 is not installed")
  }
}

/// How long a test waits for a server that answers.
let patience = Duration.seconds(60)

extension Connection {
  /// Connects to an empty database of the tests' server.
  convenience init() throws { try self.init(DatabaseServer.database(), patience: patience) }

  func run(_ statements: Statement...) throws(PostgresError) -> [Rows] {
    try run(statements, patience: patience)
  }

  /// The only value of a query.
  func integer(_ sql: String, _ parameters: [Parameter] = []) throws -> Int64? {
    let rows = try run(Statement(sql, parameters))
    try #require(rows.count == 1 && rows[0].count == 1)
    return rows[0].integer(0, 0)
  }
}

extension PostgresError {
  var state: String? { if case .failed(let state, _) = self { state } else { nil } }
  var isUnreachable: Bool { if case .unreachable = self { true } else { false } }
  var isLost: Bool { if case .lost = self { true } else { false } }
}

/// The error that a body throws.
func error<R>(_ body: () throws(PostgresError) -> R) throws -> PostgresError {
  do throws(PostgresError) { _ = try body() } catch { return error }
  throw CommandFailure(description: "an error was expected")
}
