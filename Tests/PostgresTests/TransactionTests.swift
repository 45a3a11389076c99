import Synchronization
import TestSupport
import Testing

@testable import PostgresNodeIndex

/// What is together in one run takes effect together, and an error leaves the connection whole.
@Suite(.server) struct TransactionTests {
  private func makeTable() throws -> Connection {
    let connection = try Connection()
    _ = try connection.run(Statement("CREATE TABLE t (i int8 PRIMARY KEY)"))
    return connection
  }

  private func insert(_ value: Int64) -> Statement {
    Statement("INSERT INTO t VALUES ($1)", [.integer(value)])
  }

  private let count = "SELECT count(*) FROM t"

  @Test func allOrNothing() throws {
    let connection = try makeTable()
    let twice = try error { () throws(PostgresError) in
      try connection.run(insert(1), insert(2), insert(1), insert(3))
    }
    #expect(twice.state == "23505")
    #expect(twice.description.contains("Key (i)=(1) already exists"))
    #expect(try connection.integer(count) == 0)
    _ = try connection.run(insert(1), insert(2))
    #expect(try connection.integer(count) == 2)
    let zero = try error { () throws(PostgresError) in
      try connection.run(insert(3), Statement("SELECT 1 / $1", [.integer(0)]))
    }
    #expect(zero.state == "22012")
    #expect(try connection.integer(count) == 2)
    #expect(!connection.isBroken)
  }

  @Test func theFirstErrorIsTheOneThrown() throws {
    let connection = try makeTable()
    let first = try error { () throws(PostgresError) in
      try connection.run(Statement("SELECT 1 / 0"), Statement("no SQL"), insert(1))
    }
    #expect(first.state == "22012")
  }

  @Test func nothingToRun() throws {
    let connection = try Connection()
    #expect(try connection.run([], patience: patience).isEmpty)
    #expect(try connection.integer("SELECT 1::int8") == 1)
  }

  /// What is checked when the transaction ends, one statement's own included.
  @Test func aCommitThatFails() throws {
    let connection = try Connection()
    _ = try connection.run(
      Statement("CREATE TABLE t (i int8 UNIQUE DEFERRABLE INITIALLY DEFERRED)"))
    for statements in [[insert(1), insert(1)], [Statement("INSERT INTO t VALUES (1), (1)")]] {
      let failure = try error { () throws(PostgresError) in
        try connection.run(statements, patience: patience)
      }
      #expect(failure.state == "23505")
      #expect(try connection.integer(count) == 0 && !connection.isBroken)
    }
  }

  /// Not only what the server makes of the statements of a pipeline by itself, in which there are no such
  /// locks.
  @Test func itIsATransactionBlock() throws {
    let connection = try makeTable()
    _ = try connection.run(Statement("LOCK TABLE t"), insert(1))
    #expect(try connection.integer(count) == 1)
  }

  // MARK: Prepared statements

  @Test func aStatementIsPreparedOnce() throws {
    let connection = try makeTable()
    let prepared = "SELECT count(*) FROM pg_prepared_statements"
    _ = try connection.run(insert(1), insert(2), insert(3))
    let before = try connection.integer(prepared)
    for i in 4..<10 as Range<Int64> { _ = try connection.run(insert(i), insert(i + 10)) }
    #expect(try connection.integer(prepared) == before)
  }

  @Test func whatCannotBePreparedIsTriedAgain() throws {
    let connection = try Connection()
    for _ in 0..<2 {
      let missing = try error { () throws(PostgresError) in try connection.run(insert(1)) }
      #expect(missing.state == "42P01")
    }
    // Neither is one prepared behind it, and the one before it stays so.
    let (one, two) = (Statement("SELECT 1::int8"), Statement("SELECT 2::int8"))
    let failure = try error { () throws(PostgresError) in try connection.run(one, insert(1), two) }
    #expect(failure.state == "42P01")
    _ = try connection.run(Statement("CREATE TABLE t (i int8)"), insert(1))
    let rows = try connection.run(one, insert(2), two)
    #expect(rows[0].integer(0, 0) == 1 && rows[2].integer(0, 0) == 2)
    #expect(try connection.integer(count) == 2)
  }

  // MARK: Size and threads

  /// More than the buffers of the socket, both ways at once.
  @Test func muchBothWays() throws {
    let connection = try Connection()
    let statements = (0..<50).map { i in
      Statement("SELECT ($1)[1]", [.byteStrings([Array(repeating: UInt8(i), count: 100_000)])])
    }
    let rows = try connection.run(statements, patience: patience)
    #expect(rows.count == 50)
    for (i, row) in rows.enumerated() {
      #expect(row.bytes(0, 0) == Array(repeating: UInt8(i), count: 100_000))
    }
  }

  @Test func threadsShareAConnectionInAMutex() throws {
    final class Shared: Sendable {
      let connection: Mutex<Connection>

      init(_ server: String) throws {
        connection = Mutex(try Connection(server, patience: patience))
      }

      func run(_ statements: [Statement]) throws -> [Rows] {
        try connection.withLock { connection throws(PostgresError) in
          try connection.run(statements, patience: patience)
        }
      }
    }
    let shared = try Shared(DatabaseServer.database())
    _ = try shared.run([Statement("CREATE TABLE t (i int8 PRIMARY KEY)")])
    _ = try inThreads(4) { thread in
      for i in 0..<50 {
        let value = Int64(thread * 50 + i)
        let statement = Statement("INSERT INTO t VALUES ($1)", [.integer(value)])
        _ = try shared.run([statement, Statement("SELECT 1")])
      }
    }
    #expect(try shared.run([Statement(count)])[0].integer(0, 0) == 200)
  }
}
