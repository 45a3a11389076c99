import Foundation
import Glibc
import Synchronization
import SystemPackage

/// A PostgreSQL 15 server of the tests' own, with a data directory of its own, on a Unix socket. It ends
/// with the value, and with the test process, however that ends.
public final class DatabaseServer: Sendable {
  private static let programs = "/usr/lib/postgresql/15/bin"
  /// Whether the server can be started. If not, a test is skipped; in CI it fails.
  public static let isInstalled =
    access("\(programs)/postgres", X_OK) == 0 || isContinuousIntegration

  private static let shared = Result { try DatabaseServer() }

  /// Makes an empty database on the server that all tests of a process share, which the first of them
  /// starts. Returns its connection string.
  public static func database() throws -> String { try shared.get().database() }

  private let directory: TemporaryDirectory
  private let supervisor: Child
  private let state = Mutex((process: pid_t(0), databases: 0))

  /// Makes a server and starts it.
  ///
  /// - Parameter fsync: whether it flushes what it writes. It need not for what it acknowledged to survive
  ///   ``kill()``.
  public init(fsync: Bool = false) throws {
    directory = try TemporaryDirectory()
    let path = directory.path.string
    // The server refuses to run as root.
    var user: [String] = []
    if geteuid() == 0 {
      user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
      try succeed("chown", "postgres:", path)
    }
    let data = "\(path)/data"
    try succeed(
      user + [
        "\(Self.programs)/initdb", "--pgdata", data, "--username=postgres", "--auth=trust",
        "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions",
      ])
    try write(
      "local all guarded scram-sha-256\nlocal all all trust\n", to: FilePath("\(data)/pg_hba.conf"))
    let settings = [
      "fsync": fsync ? "on" : "off", "listen_addresses": "", "unix_socket_directories": path,
      "autovacuum": "off", "dynamic_shared_memory_type": "mmap",
    ]
    supervisor = try Child(
      ["sh", "-c", Self.supervision, path] + user + ["\(Self.programs)/postgres", "-D", data]
        + settings.flatMap { ["-c", "\($0)=\($1)"] })
    try start()
  }

  /// Starts the server at each line of its input. At the end of the input, which is also the end of the
  /// test process, ends the server and removes its directory. A server that was killed has left its
  /// segment of shared memory.
  private static let supervision = """
    trap '' HUP INT TERM
    while read -r line; do
      "$@" </dev/null >>"$0/log" 2>&1 &
      process=$!
      echo $process
    done
    exec 2>/dev/null
    all="$(cat /proc/$process/task/$process/children) $process"
    kill -CONT $all
    kill -QUIT $process
    wait $process
    segment=$(awk 'NR == 7 { print $2 }' "$0/data/postmaster.pid") && ipcrm -m "$segment"
    rm -rf "$0"
    """

  /// Starts the server after ``kill()``, and waits until it accepts connections.
  public func start() throws {
    supervisor.send("start")
    guard let process = supervisor.line().flatMap({ pid_t($0) }) else { throw failure("no shell") }
    state.withLock { $0.process = process }
    let lines = {
      (try? read(self.directory.appending("data/postmaster.pid")))?.split(separator: "\n")
    }
    let end = ContinuousClock.now + .seconds(60)
    while true {
      if let lines = lines(), lines.first == "\(process)", lines.last?.hasPrefix("ready") == true {
        return
      }
      guard !Self.hasEnded(process), .now < end else { throw failure("it does not start") }
      usleep(5000)
    }
  }

  /// What the server has logged since it was made.
  public var log: String { (try? read(directory.appending("log"))) ?? "" }

  private func failure(_ reason: String) -> CommandFailure {
    CommandFailure(description: "PostgreSQL: \(reason)\n\(log)")
  }

  /// Makes an empty database. Returns its connection string, whose user may do everything.
  public func database() throws -> String {
    let number = state.withLock { state in
      state.databases += 1
      return state.databases
    }
    let any = "host=\(directory.path) user=postgres dbname="
    try succeed(
      "\(Self.programs)/psql", "-X", "-q", "-d", any + "postgres", "-c",
      "CREATE DATABASE test\(number)")
    return any + "test\(number)"
  }

  /// Runs one of PostgreSQL's programs.
  public static func program(_ name: String, _ arguments: String...) throws {
    let result = try TestSupport.run(["\(programs)/\(name)"] + arguments)
    guard result.status == 0 else { throw CommandFailure(description: "\(name): \(result)") }
  }

  /// Runs statements in a database that ``database()`` made.
  public static func run(_ sql: String, in database: String) throws {
    try succeed("\(programs)/psql", "-X", "-q", "-d", database, "-c", sql)
  }

  /// Starts a psql(1) that runs the statements that it is sent, and prints what they return.
  public static func session(in database: String) throws -> Child {
    try Child(["\(programs)/psql", "-X", "-q", "-A", "-t", "-d", database])
  }

  /// Ends `ALTER SYSTEM`, after ``kill()``.
  public func resetSettings() throws {
    try TestSupport.write("", to: directory.appending("data/postgresql.auto.conf"))
  }

  /// Makes a symbolic link that leads to the server, and returns the connection string of a database by
  /// way of it.
  public func link(at link: FilePath, to database: String) throws -> String {
    try succeed("ln", "-s", directory.path.string, link.string)
    return database.replacing("host=\(directory.path)", with: "host=\(link)")
  }

  /// Keeps a copy of all data, after ``kill()``.
  public func saveData() throws { try copyData("data", to: "saved") }

  /// Puts the copy back, after ``kill()``.
  public func putBackData() throws { try copyData("saved", to: "data") }

  /// Gives another server all data, after ``kill()`` of both: it goes on as if it had been a standby.
  public func copyData(to other: DatabaseServer) throws {
    try succeed("rm", "-rf", "\(other.directory.path)/data")
    try succeed("cp", "-a", "\(directory.path)/data", "\(other.directory.path)/data")
    try succeed("rm", "-f", "\(other.directory.path)/data/postmaster.pid")
  }

  private func copyData(_ from: String, to: String) throws {
    try succeed("rm", "-rf", "\(directory.path)/\(to)")
    try succeed("cp", "-a", "\(directory.path)/\(from)", "\(directory.path)/\(to)")
  }

  /// Sends SIGKILL to all processes of the server, and waits for their end.
  public func kill() {
    let all = stopped()
    for process in all { Glibc.kill(process, SIGKILL) }
    for process in all { while !Self.hasEnded(process) { usleep(1000) } }
  }

  /// Stops all processes of the server (SIGSTOP) until ``resume()``.
  public func pause() { _ = stopped() }

  /// Ends ``pause()``.
  public func resume() { for process in processes { Glibc.kill(process, SIGCONT) } }

  /// Stops and returns all processes. The first one goes first, so that it starts no more.
  private func stopped() -> [pid_t] {
    let first = state.withLock(\.process)
    Glibc.kill(first, SIGSTOP)
    while Self.state(first) == "S" || Self.state(first) == "R" { usleep(1000) }
    let all = processes
    for process in all { Glibc.kill(process, SIGSTOP) }
    return all
  }

  /// The server's processes, the parent of the others first.
  public var processes: [pid_t] {
    let first = state.withLock(\.process)
    let children = (try? read(FilePath("/proc/\(first)/task/\(first)/children"))) ?? ""
    return [first] + children.split(separator: " ").compactMap { pid_t($0) }
  }

  private static func hasEnded(_ process: pid_t) -> Bool {
    state(process).map { $0 == "Z" } ?? true
  }

  /// What a process does, by the letters of proc(5); `nil` if there is none.
  private static func state(_ process: pid_t) -> Character? {
    (try? read(FilePath("/proc/\(process)/stat")))?.split(separator: ")").last?.dropFirst().first
  }

  deinit {
    supervisor.endInput()
    supervisor.wait()
  }
}
