import Glibc
import HandleStore
import PostgresNodeIndex
import SystemPackage
import TestSupport
import Testing

extension Trait where Self == ConditionTrait {
  /// The tests start a database server.
  static var server: Self {
    .enabled(if: DatabaseServer.isInstalled, "PostgreSQL 15 is not installed")
  }

  /// They also mount filesystems and open handles.
  static var serverAndMounts: Self {
    .enabled(if: DatabaseServer.isInstalled && mayMount, "needs PostgreSQL 15 and root")
  }
}

/// Gateways of one store, in a database of its own.
struct Gateways {
  let database: String

  /// - Parameter server: the server; `nil` for the one that tests share.
  init(on server: DatabaseServer? = nil) throws {
    database = try server?.database() ?? DatabaseServer.database()
  }

  /// - Parameter database: the connection string.
  init(at database: String) { self.database = database }

  func open(
    _ name: String, lease: Duration = .seconds(10), patience: Duration = .seconds(30),
    _ options: StoreOptions = StoreOptions()
  ) throws -> Store {
    try Store(
      shared: database, gateway: name, options: options,
      gatewayOptions: GatewayOptions(lease: lease, patience: patience))
  }

  /// Makes a copy of the database on the same server. Nobody may use it meanwhile.
  func copy() throws -> Gateways {
    let name = database.split(separator: "=").last.map(String.init) ?? ""
    try run("CREATE DATABASE \(name)copy TEMPLATE \(name)")
    return Gateways(at: database + "copy")
  }

  func run(_ sql: String) throws { try DatabaseServer.run(sql, in: database) }

  /// Throws unless a condition in SQL holds.
  func require(_ condition: String) throws {
    try run("SELECT 1 / (CASE WHEN \(condition) THEN 1 ELSE 0 END)")
  }
}

/// Keeps statements of gateways waiting for a lock.
final class HeldLock: Sendable {
  private let session: Child

  /// - Parameter statement: takes the lock.
  init(in gateways: Gateways, by statement: String) throws {
    session = try DatabaseServer.session(in: gateways.database)
    session.send("BEGIN; \(statement);\n SELECT 'held';")
    guard session.line() == "held" else {
      throw CommandFailure(description: "not held: \(statement)")
    }
  }

  /// Keeps a gateway from writing, when it has read what it decides on. Give it a long lease, because it
  /// cannot renew it meanwhile.
  convenience init(of gateway: String, in gateways: Gateways) throws {
    try self.init(
      in: gateways, by: "UPDATE handlestore_gateway SET name = name WHERE name = '\(gateway)'")
  }

  /// Waits until a gateway waits.
  func awaitOne() throws {
    let isThere = try becomes {
      session.send("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted);")
      guard let line = session.line() else { throw CommandFailure(description: "psql has ended") }
      return line == "t"
    }
    guard isThere else { throw CommandFailure(description: "no gateway waits") }
  }

  /// Lets them go on.
  func release() { session.send("COMMIT;") }
}

/// Keeps commits of all databases of a server from being confirmed: they wait for a standby that is not
/// there, when they are already on the disk.
final class HeldCommits: Sendable {
  private let gateways: Gateways
  private let observer: Child
  private let probe: Child

  init(in gateways: Gateways) throws {
    self.gateways = gateways
    try gateways.run("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    try gateways.run("SELECT pg_reload_conf()")
    observer = try DatabaseServer.session(in: gateways.database)
    probe = try DatabaseServer.session(in: gateways.database)
    // The server's processes hear of the setting some time later.
    try awaitCommits(1) { probe.send("SELECT FROM pg_logical_emit_message(true, '', '');") }
  }

  /// Waits until the commit of a gateway waits.
  func awaitOne() throws { try awaitCommits(2) {} }

  /// Lets them go on, soon.
  func release() throws {
    try gateways.run("ALTER SYSTEM RESET synchronous_standby_names")
    try gateways.run("SELECT pg_reload_conf()")
  }

  private func awaitCommits(_ commits: Int, _ body: () -> Void) throws {
    let areThere = try becomes {
      body()
      observer.send(
        "SELECT count(*) >= \(commits) FROM pg_stat_activity WHERE wait_event = 'SyncRep';")
      guard let line = observer.line() else { throw CommandFailure(description: "psql has ended") }
      return line == "t"
    }
    guard areThere else { throw CommandFailure(description: "no commit waits") }
  }
}

extension Store {
  /// Registers what a name in a directory stands for.
  func register(
    _ name: String, in directory: FilePath, on filesystem: FilesystemID
  ) throws -> Registration {
    let folder = try FileDescriptor.open(directory, .readOnly, options: .directory)
    return try folder.closeAfter {
      try register(FoundFile(name: FilePath(name), in: folder), on: filesystem)
    }
  }

  /// What is in a node's file.
  func contents(_ id: NodeID) throws -> String {
    let descriptor = try open(id, as: .readOnly)
    return try descriptor.closeAfter { try readAll(descriptor) }
  }
}

/// Waits until something is so, for a few seconds.
func becomes(_ condition: () throws -> Bool) rethrows -> Bool {
  let end = ContinuousClock.now + .seconds(10)
  while try !condition() {
    guard ContinuousClock.now < end else { return false }
    usleep(2000)
  }
  return true
}
