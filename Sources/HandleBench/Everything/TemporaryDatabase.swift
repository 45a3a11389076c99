import Foundation

/// A PostgreSQL server for the time of a benchmark, with the settings that a new one has.
struct TemporaryDatabase {
  private static let user = "postgres"

  private let programs: String
  private let data: String
  /// For the socket, whose path must be short.
  private let socket: String

  var connection: String { "host=\(socket) dbname=postgres user=\(Self.user)" }

  /// Makes a server in a directory, and starts it.
  init(in place: String) throws {
    programs = try Self.findPrograms()
    data = "\(place)/database"
    socket = "/tmp/handlebench-\(ProcessInfo.processInfo.processIdentifier)"
    for path in [data, socket] {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
      if geteuid() == 0 { try output(of: "chown", [Self.user, path]) }
    }
    do { try start() } catch {
      stop()
      throw error
    }
  }

  private func start() throws {
    try run("initdb", ["-D", data, "-U", Self.user, "-A", "trust"])
    try run(
      "pg_ctl",
      ["-D", data, "-l", "\(data)/log", "-w", "-o", "-k \(socket) -h ''", "start"])
  }

  func stop() {
    try? run("pg_ctl", ["-D", data, "-m", "fast", "-w", "stop"])
    for path in [data, socket] { try? FileManager.default.removeItem(atPath: path) }
  }

  /// Runs a program of PostgreSQL, which refuses to be run by root.
  private func run(_ program: String, _ arguments: [String]) throws {
    let path = "\(programs)/\(program)"
    guard geteuid() == 0 else {
      try output(of: path, arguments, includingErrors: true)
      return
    }
    let user = ["--reuid=\(Self.user)", "--regid=\(Self.user)", "--clear-groups"]
    try output(of: "setpriv", user + [path] + arguments, includingErrors: true)
  }

  /// Returns the directory with the programs: one of PATH, or that of Debian's newest version.
  private static func findPrograms() throws -> String {
    if let initdb = Contender.find("initdb") {
      return URL(fileURLWithPath: initdb).deletingLastPathComponent().path
    }
    let root = "/usr/lib/postgresql"
    let versions = (try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []
    let found = versions.compactMap(Int.init).sorted().last.map { "\(root)/\($0)/bin" }
    guard let found, FileManager.default.isExecutableFile(atPath: "\(found)/initdb") else {
      throw BenchError(
        description: "there is no PostgreSQL; install Debian's package postgresql-15")
    }
    return found
  }
}
