import CTestSupport
import Foundation
import Glibc
import Synchronization
import TestSupport
import Testing

@testable import PostgresNodeIndex

/// Servers that are not there, end, or do not answer.
@Suite(.server) struct ConnectionTests {
  private static let sleep = Statement("SELECT pg_sleep(600)")

  private func connectionError(
    _ conninfo: String, _ patience: Duration = patience
  ) throws -> PostgresError {
    try error { () throws(PostgresError) in try Connection(conninfo, patience: patience) }
  }

  @Test func aServerThatIsNotThere() throws {
    let directory = try TemporaryDirectory()
    let failure = try connectionError("host=\(directory.path) dbname=any")
    #expect(failure.isUnreachable)
    #expect(failure.description.contains(directory.path.string))
    let database = try connectionError(DatabaseServer.database() + "0")
    #expect(database.isUnreachable && database.description.contains("does not exist"))
  }

  @Test func theNextHostIsTried() throws {
    let database = try DatabaseServer.database()
    let both = database.replacing("host=", with: "host=/nonexistent,")
    let connection = try Connection(both, patience: patience)
    #expect(try connection.integer("SELECT 1::int8") == 1)
    let readOnly = try connectionError(both + " target_session_attrs=read-only")
    #expect(readOnly.isUnreachable && readOnly.description.contains("read-only"))
  }

  /// As if it were behind a cable that is cut.
  @Test func aHostThatDoesNotAnswerTakesItsPartOfThePatience() throws {
    let silent = try SilentListener()
    let both = try DatabaseServer.database()
      .replacing("host=", with: "port=\(silent.port),5432 host=127.0.0.1,")
    let connection = try Connection(both, patience: .seconds(6))
    #expect(try connection.integer("SELECT 1::int8") == 1)
    let alone = "host=127.0.0.1 port=\(silent.port) dbname=any"
    #expect(try connectionError(alone, .milliseconds(50)).isUnreachable)
  }

  /// Its kernel takes connections, also if the string leaves the hosts to a service file.
  @Test func aHostWhoseServerIsStopped() throws {
    let stopped = try DatabaseServer()
    let first = try stopped.database().split(separator: " ")[0].dropFirst("host=".count)
    let both = try DatabaseServer.database().replacing("host=", with: "host=\(first),")
    let directory = try TemporaryDirectory()
    let file = directory.appending("services")
    let lines = both.split(separator: " ").joined(separator: "\n")
    try write("[nodes]\n\(lines)\n", to: file)
    setenv("PGSERVICEFILE", file.string, 1)
    defer { unsetenv("PGSERVICEFILE") }
    stopped.pause()
    for string in [both, "service=nodes"] {
      let connection = try Connection(string, patience: .seconds(6))
      #expect(try connection.integer("SELECT 1::int8") == 1)
    }
    stopped.resume()
  }

  @Test func whatTheServerKnowsOfTheConnection() throws {
    let name = Statement(
      "SELECT current_setting('application_name'), current_setting('client_encoding')")
    let database = try DatabaseServer.database()
    let rows = try Connection(database + " client_encoding=LATIN1", patience: patience).run(name)[0]
    #expect(rows.text(0, 0) == "handlestore" && rows.text(0, 1) == "UTF8")
    let other = try Connection(database + " application_name=other", patience: patience)
    #expect(try other.run(name)[0].text(0, 0) == "other")
  }

  // MARK: The end of a server

  /// Waits until a statement sleeps on the server.
  private func waitForSleep(_ connection: Connection) throws {
    let sleeping =
      "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    while try connection.integer(sleeping) == 0 {}
  }

  @Test func aServerKilledInTheMiddle() throws {
    let server = try DatabaseServer()
    let database = try server.database()
    let results = try inThreads(2) { thread in
      if thread == 0 {
        let connection = try Connection(database, patience: patience)
        let failure = try error { () throws(PostgresError) in try connection.run(Self.sleep) }
        return failure.isLost && connection.isBroken
      }
      try waitForSleep(Connection(database, patience: patience))
      server.kill()
      return true
    }
    #expect(results == [true, true])
    #expect(try connectionError(database).isUnreachable)
    try server.start()
    #expect(try Connection(database, patience: patience).integer("SELECT 1::int8") == 1)
  }

  @Test func aConnectionThatEndedBetweenTwoRuns() throws {
    let server = try DatabaseServer()
    let connection = try Connection(server.database(), patience: patience)
    _ = try connection.run(Statement("SELECT 1"))
    server.kill()
    for _ in 0..<2 {
      let failure = try error { () throws(PostgresError) in
        try connection.run(Statement("SELECT 1"))
      }
      #expect(failure.isUnreachable && connection.isBroken)
    }
  }

  /// The server's own word for the end, in a statement and between two.
  @Test func aConnectionThatTheServerEnds() throws {
    let database = try DatabaseServer.database()
    let connection = try Connection(database, patience: patience)
    let failure = try error { () throws(PostgresError) in
      try connection.run(
        Statement("SELECT 1"), Statement("SELECT pg_terminate_backend(pg_backend_pid())"))
    }
    #expect(failure.isLost && connection.isBroken)
    #expect(failure.description.contains("administrator command"))

    let idle = try Connection(database, patience: patience)
    let process = try #require(try idle.integer("SELECT pg_backend_pid()::int8"))
    let other = try Connection(database, patience: patience)
    _ = try other.run(
      Statement("SELECT pg_terminate_backend($1::int4, 60000)", [.integer(process)]))
    let ended = try error { () throws(PostgresError) in try idle.run(Statement("SELECT 1")) }
    #expect(ended.isUnreachable && idle.isBroken)
  }

  // MARK: Patience

  @Test func aServerThatDoesNotAnswer() throws {
    let server = try DatabaseServer()
    let database = try server.database()
    let connection = try Connection(database, patience: patience)
    _ = try connection.run(Statement("CREATE TABLE t (i int8)"))
    server.pause()
    let start = ContinuousClock.now
    let silent = try error { () throws(PostgresError) in
      try connection.run([Statement("INSERT INTO t VALUES (1)")], patience: .milliseconds(50))
    }
    #expect(silent.isLost && connection.isBroken)
    #expect(try connectionError(database, .milliseconds(50)).isUnreachable)
    // Far from the minute that it would take otherwise, on any machine.
    #expect(ContinuousClock.now - start < .seconds(30))
    server.resume()
    // The server goes on with what it had got.
    let other = try Connection(database, patience: patience)
    while try other.integer("SELECT count(*) FROM t") == 0 {}
  }

  @Test func aPipelineThatTheServerDoesNotTake() throws {
    let server = try DatabaseServer()
    let connection = try Connection(server.database(), patience: patience)
    server.pause()
    let much = Statement("SELECT $1", [.text(String(repeating: "a", count: 5_000_000))])
    let failure = try error { () throws(PostgresError) in
      try connection.run([much], patience: .milliseconds(50))
    }
    #expect(failure.isLost && connection.isBroken)
    server.resume()
  }

  @Test func aStatementThatTakesTooLong() throws {
    let connection = try Connection()
    let failure = try error { () throws(PostgresError) in
      try connection.run([Self.sleep], patience: .milliseconds(50))
    }
    #expect(failure.isLost && connection.isBroken)
    let again = try error { () throws(PostgresError) in
      try connection.run([Statement("SELECT 1")], patience: patience)
    }
    #expect(again.isUnreachable)
  }

  @Test func aSignalDoesNotEndARun() throws {
    let database = try DatabaseServer.database()
    let before = ts_interruptions()
    let waiting = Waiting()
    _ = try inThreads(2) { thread in
      if thread == 0 {
        defer { waiting.end() }
        let connection = try Connection(database, patience: patience)
        try waiting.begin()
        _ = try connection.run(Statement("SELECT pg_sleep(0.2)"))
      } else {
        waiting.interrupt()
      }
    }
    #expect(ts_interruptions() > before)
  }

  // MARK: Passwords

  @Test func noErrorHasThePassword() throws {
    let database = try DatabaseServer.database()
    let administrator = try Connection(database, patience: patience)
    _ = try administrator.run(Statement("CREATE ROLE guarded LOGIN PASSWORD 'hidden'"))
    let guarded = database.replacing("user=postgres", with: "user=guarded")
    #expect(
      try Connection(guarded + " password=hidden", patience: patience).integer("SELECT 1::int8")
        == 1)
    let strings = [
      guarded + " password=s3cret",
      "host=/nonexistent password=s3cret",
      "host=/nonexistent password=a s3cret",
      "host=/nonexistent password='s3cret",
      "host=/nonexistent s3cret=1",
      "s3cret",
      "postgresql://user:s3cret@%2Fnonexistent/any",
      "postgresql://user:a/s3cret@%2Fnonexistent/any",
      "postgresql://user:s3cret/b@%2Fnonexistent/any",
      "postgresql://user:a@s3cret@nonexistent.invalid/any",
      "postgresql://user:a%s3cret@%2Fnonexistent/any",
      "postgresql://user:p@%2Fnonexistent/any?s3cret=1",
    ]
    for string in strings {
      let failure = try connectionError(string)
      #expect(failure.isUnreachable, "\(string)")
      #expect(!failure.description.contains("s3cret"), "\(string)")
    }
  }
}

/// A thread that waits, and signals to it.
private final class Waiting: Sendable {
  private let thread = Mutex<pthread_t?>(nil)
  private let began = DispatchSemaphore(value: 0)

  /// In the thread that is to be interrupted.
  func begin() throws {
    guard ts_interrupt_by(SIGUSR2) == 0 else { throw CommandFailure(description: "sigaction") }
    thread.withLock { $0 = pthread_self() }
    began.signal()
  }

  func end() {
    thread.withLock { $0 = nil }
    began.signal()
  }

  /// Sends signals until ``end()``.
  func interrupt() {
    began.wait()
    while thread.withLock({ thread in thread.map { pthread_kill($0, SIGUSR2) } }) != nil {
      usleep(1000)
    }
  }
}

/// A port of the loopback at which the kernel drops requests to connect, because too many wait already.
private final class SilentListener {
  let port: UInt16
  private var sockets: [CInt] = []

  init() throws {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let listener = socket(AF_INET, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    sockets.append(listener)
    let isOpen = withUnsafeMutablePointer(to: &address) { address in
      address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, length) == 0 && listen(listener, 0) == 0
          && getsockname(listener, $0, &length) == 0
      }
    }
    port = UInt16(bigEndian: address.sin_port)
    guard isOpen else { throw CommandFailure(description: "no port of the loopback is free") }
    let kind = SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue
    for _ in 0..<8 {
      let waiting = socket(AF_INET, CInt(kind), 0)
      sockets.append(waiting)
      withUnsafePointer(to: &address) { address in
        address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          _ = connect(waiting, $0, length)
        }
      }
    }
  }

  deinit { for socket in sockets { Glibc.close(socket) } }
}

/// The server of the tests themselves.
@Suite(.server) struct DatabaseServerTests {
  @Test func itEndsWithTheValue() throws {
    var server: DatabaseServer? = try DatabaseServer(fsync: true)
    let processes = try #require(server?.processes)
    #expect(processes.count > 3)
    let directory = try #require(try server?.database().split(separator: " ").first?.dropFirst(5))
    #expect(FileManager.default.fileExists(atPath: String(directory)))
    // A server that is stopped ends, too.
    server?.pause()
    server = nil
    for process in processes { #expect(Glibc.kill(process, 0) != 0) }
    #expect(!FileManager.default.fileExists(atPath: String(directory)))
  }
}
