import Foundation

/// A PostgreSQL server for the time of a benchmark, with the settings that a new one has.
struct TemporaryDatabase {
  private static let user = "postgres"

  private let programs: String
  private let data: String
  /// For the socket, whose path must be short.
  private let socket: String
  private let server = Process()

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
    let initdb = command("initdb", ["-D", data, "-U", Self.user, "-A", "trust"])
    try output(of: initdb[0], Array(initdb.dropFirst()), includingErrors: true)
    let postgres = command("postgres", ["-D", data, "-k", socket, "-h", ""])
    guard let first = Contender.find(postgres[0]) else {
      throw BenchError(description: "there is no program \(postgres[0])")
    }
    server.executableURL = URL(fileURLWithPath: first)
    server.arguments = Array(postgres.dropFirst())
    server.standardError = FileHandle.nullDevice
    try server.run()
    for _ in 0..<300 where server.isRunning {
      usleep(200_000)
      if isReady { return }
    }
    throw BenchError(description: "PostgreSQL does not start")
  }

  private var isReady: Bool {
    (try? output(of: "\(programs)/pg_isready", ["-q", "-h", socket])) != nil
  }

  func stop() {
    if server.isRunning {
      // A fast shutdown.
      server.interrupt()
      server.waitUntilExit()
    }
    for path in [data, socket] { try? FileManager.default.removeItem(atPath: path) }
  }

  /// The words that run a program of PostgreSQL, which refuses to be run by root.
  private func command(_ program: String, _ arguments: [String]) -> [String] {
    let words = ["\(programs)/\(program)"] + arguments
    guard geteuid() == 0 else { return words }
    return ["setpriv", "--reuid=\(Self.user)", "--regid=\(Self.user)", "--clear-groups"] + words
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
