import Foundation

/// A PostgreSQL server for the time of a benchmark, with the settings that a new one has.
final class TemporaryDatabase {
  private static let user = "postgres"

  private let programs: String
  private let data: String
  /// For the socket, whose path must be short. Nobody else may enter it: the server asks for no
  /// password.
  private let socket: String
  private var server: BoundProcess?

  var connection: String { "host=\(socket) dbname=postgres user=\(Self.user)" }

  /// Makes a server in a directory, and starts it.
  init(in place: String) throws {
    programs = try Self.findPrograms()
    data = "\(place)/database"
    socket = "/tmp/handlebench-\(ProcessInfo.processInfo.processIdentifier)"
    do {
      try makeDirectories()
      try start()
    } catch {
      stop()
      throw error
    }
  }

  private func makeDirectories() throws {
    for path in [data, socket] {
      try FileManager.default.createDirectory(
        atPath: path, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
      if let user = Self.otherUser { try output(of: "chown", [user, path]) }
    }
  }

  private func start() throws {
    let initdb = ["\(programs)/initdb", "-D", data, "-U", Self.user, "-A", "trust"]
    try output(
      of: "setpriv", BoundProcess.options(for: Self.otherUser) + initdb, includingErrors: true)
    // SIGINT is a fast shutdown.
    let server = try BoundProcess(
      ["\(programs)/postgres", "-D", data, "-k", socket, "-h", ""], as: Self.otherUser,
      signal: "INT", isQuiet: true)
    self.server = server
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
    server?.interrupt()
    for path in [data, socket] { try? FileManager.default.removeItem(atPath: path) }
  }

  /// The user for PostgreSQL's programs, which root must not run; `nil` for this one.
  private static var otherUser: String? { geteuid() == 0 ? user : nil }

  /// Why no server can be started here; `nil` if one can.
  static var obstacle: String? {
    do {
      _ = try findPrograms()
      return nil
    } catch { return "\(error)" }
  }

  /// Returns the directory with the programs: one of PATH, or that of Debian's newest version.
  private static func findPrograms() throws -> String {
    if let initdb = Contender.find("initdb") {
      return URL(fileURLWithPath: initdb).resolvingSymlinksInPath().deletingLastPathComponent().path
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
