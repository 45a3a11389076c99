import Foundation
import HandleStore
import PostgresNodeIndex
import SystemPackage
import TestSupport
import Testing

extension Trait where Self == ConditionTrait {
  /// The test starts a database server.
  static var server: Self {
    .enabled(if: DatabaseServer.isInstalled, "PostgreSQL 15 is not installed")
  }
}

/// The commands on a store in a database, as a user runs them.
@Suite(.server) struct SharedTests {
  @Test(.opensHandles) func aTreeIsIndexedAndShown() throws {
    let place = try Workplace()
    let database = try DatabaseServer.database()
    let store = "shared:\(database)"
    let counts = try figures(output(of: "index", store, place.tree, "--json"))
    #expect(counts.number("created") == UInt64(Workplace.files))
    #expect(counts.number("skipped") == 0)
    let again = try figures(output(of: "index", store, place.tree, "--json"))
    #expect(again.number("created") == 0)
    let nodes = try objects(output(of: "dump", store, "--format", "json"))
    #expect(nodes.count == Workplace.files)
    let inode = try inodeNumber(of: place.path("directory/one"))
    let node = try #require(nodes.first { $0.number("inode") == inode }?.number("node"))
    #expect(try output(of: "open", store, "\(node)").contains(place.path("directory/one").string))
    #expect(try output(of: "dump", store, "--node", "\(node)").contains("\(inode)"))
    try unlink(place.path("directory/one"))
    #expect(try handlestore("verify", store).status == 1)
    #expect(try handlestore("verify", store, "--retire").status == 1)
    let verified = try figures(output(of: "verify", store, "--json"))
    #expect(verified.number("present") == UInt64(Workplace.files - 1))
    #expect(verified.number("stale_before") == 1)
  }

  @Test(.opensHandles) func tokensAndKeys() throws {
    let place = try Workplace()
    let (store, other) = try ("shared:\(DatabaseServer.database())", place.store)
    #expect(try output(of: "export", "add", store, "tree", place.tree).contains("read-write"))
    let id = try #require(
      try objects(output(of: "export", "list", store, "--json")).first?.string("id"))
    let token = try output(of: "token", store, "tree", "directory/one").dropLast()
    let found = try output(of: "decode", store, "tree", "\(token)")
    #expect(found.contains(place.path("directory/one").string))
    try output(of: "export", "add", other, "tree", place.tree, "--id", id)
    #expect(try handlestore("decode", other, "tree", "\(token)").status == 1)
    try output(of: "key", "share", store, other)
    try output(of: "decode", other, "tree", "\(token)")
    #expect(try output(of: "key", "add", store) == "KEY  SIGNS\n1    yes\n2    no\n")
    #expect(try output(of: "key", "sign", store, "2") == "KEY  SIGNS\n1    no\n2    yes\n")
    #expect(try output(of: "key", "rotate", store, "--keep", "0") == "KEY  SIGNS\n3    yes\n")
    let refused = try handlestore("decode", store, "tree", "\(token)")
    #expect(refused.errors.contains("refused (key)"))
    try output(of: "key", "share", other, store)
    try output(of: "decode", store, "tree", "\(token)")
    try output(of: "export", "remove", store, "tree")
    #expect(try output(of: "export", "list", store) == "")
  }

  /// Commands take no gateway's name away, and leave no gateway behind.
  @Test(.opensHandles) func aServerGoesOn() throws {
    let place = try Workplace()
    let database = try DatabaseServer.database()
    let server = try Store(shared: database, gateway: "server")
    try output(of: "index", "shared:\(database)", place.tree)
    try output(of: "dump", "shared:\(database)")
    try output(of: "key", "rotate", "shared:\(database)")
    let status = try Status(of: database)
    #expect(status.gateways.map { $0["gateway"] as? String } == ["server"])
    #expect(status.gateways.map { $0["epoch"] as? Int } == [1])
    #expect(status.gateways.map { $0["live"] as? Bool } == [true])
    #expect(status.object.number("nodes") == UInt64(Workplace.files))
    let filesystem = try Synthetic.attach(to: server)
    #expect(try server.register(Synthetic.file(1), on: filesystem).outcome == .created)
    #expect(try Status(of: database).object.number("live") == UInt64(Workplace.files + 1))
    try server.close()
    #expect(try Status(of: database).gateways.isEmpty)
  }

  /// What others must still hear of keeps the row of the gateway that told it.
  @Test(.opensHandles) func aCommandThatRetiresTellsTheServer() throws {
    let place = try Workplace()
    let database = try DatabaseServer.database()
    try output(of: "index", "shared:\(database)", place.tree)
    let server = try Store(
      shared: database, gateway: "server", gatewayOptions: GatewayOptions(lease: .seconds(2)))
    let inode = try inodeNumber(of: place.path("directory/one"))
    let node = try #require(
      try server.nodes().nodes.first { server.fileKey(of: $0)?.number == inode }?.id)
    #expect(try server.node(node)?.state == .live)
    try unlink(place.path("directory/one"))
    #expect(try handlestore("verify", "shared:\(database)", "--retire").status == 1)
    let end = ContinuousClock.now + .seconds(5)
    while try server.node(node)?.state == .live, ContinuousClock.now < end { usleep(20_000) }
    #expect(try server.node(node)?.state == .stale)
    let status = try Status(of: database)
    #expect(status.gateways.count == 2)
    #expect(status.object.number("changes_waiting") == 1)
    // A day later, the next gateway that joins removes the row.
    try DatabaseServer.run(
      "UPDATE handlestore_gateway SET lease_until = now() - interval '25 hours' WHERE name <> 'server'",
      in: database)
    try output(of: "index", "shared:\(database)", place.tree)
    let swept = try Status(of: database)
    #expect(swept.gateways.map { $0["gateway"] as? String } == ["server"])
    #expect(swept.object.number("changes_waiting") == 0)
    #expect(swept.object.number("nodes") == UInt64(Workplace.files))
    try server.close()
  }

  @Test func whatIsUpToTheDatabase() throws {
    let store = "shared:\(try DatabaseServer.database())"
    for (command, word) in [
      (["check", store], "pg_amcheck"), (["repair", store], "restore a backup"),
      (["backup", store, "/nowhere"], "handlestore shared export"),
      (["stat", store], "handlestore shared status"),
      (["shared", "import", store, "dbname=x"], "name the directory"),
    ] {
      let result = try run([product("handlestore")] + command)
      #expect(result.status == 2, "\(command)")
      #expect(result.errors.hasPrefix("handlestore: this store is in a database; "))
      #expect(result.errors.contains(word), "\(result.errors)")
    }
  }

  @Test func aDatabaseWithoutAStore() throws {
    let database = try DatabaseServer.database()
    let none: [[String]] = [
      ["dump", "shared:\(database)"], ["open", "shared:\(database)", "2"],
      ["verify", "shared:\(database)", "--retire"], ["key", "list", "shared:\(database)"],
      ["key", "rotate", "shared:\(database)"], ["shared", "status", database],
      ["shared", "export", database, "/nowhere/store"],
    ]
    for command in none {
      let result = try run([product("handlestore")] + command)
      #expect(result.status == 3, "\(command): \(result.errors)")
      #expect(result.errors.contains("there is no store at the database"), "\(result.errors)")
    }
    #expect(try figures(output(of: "shared", "init", database, "--json")).flag("created") == true)
    #expect(try output(of: "shared", "init", "shared:\(database)") == "created  no\n")
    #expect(try output(of: "dump", "shared:\(database)", "--format", "json") == "")
    #expect(try output(of: "shared", "status", database).contains("synchronous commit"))
  }

  /// Each message comes at once, and none has the password.
  @Test func aDatabaseThatCannotBeReached() throws {
    let start = ContinuousClock.now
    for connection in [
      "host=/nowhere password=secret", "dbname", "postgresql://u:secret@/x@localhost/db",
      "\(try DatabaseServer.database())-none password=secret",
    ] {
      for command in [
        ["dump", "shared:\(connection)"], ["index", "shared:\(connection)", "/dev/shm"],
        ["shared", "init", connection], ["shared", "status", connection],
      ] {
        let result = try run([product("handlestore")] + command)
        #expect(result.status == 4, "\(command): \(result.errors)")
        #expect(result.errors.hasPrefix("handlestore: "))
        #expect(!result.errors.contains("secret"), "\(result.errors)")
      }
    }
    #expect(ContinuousClock.now - start < .seconds(20))
  }

  /// A command that is given no connection finds it in the environment.
  @Test func theEnvironmentOfLibpq() throws {
    let database = try DatabaseServer.database()
    let words = database.split(separator: " ").map { $0.split(separator: "=").map(String.init) }
    let directory = try TemporaryDirectory()
    let services = directory.appending("services")
    try write(
      "[nodes]\n" + words.map { "\($0[0])=\($0[1])\n" }.joined(), to: services)
    let environment = ["PGSERVICEFILE": services.string]
    let command = product("handlestore")
    #expect(
      try run([command, "shared", "init", "service=nodes"], environment: environment).status == 0)
    let named = environment.merging(["PGSERVICE": "nodes"]) { $1 }
    #expect(try run([command, "dump", "shared:"], environment: named).status == 0)
    #expect(try run([command, "shared", "status", ""], environment: named).status == 0)
  }
}

private func inodeNumber(of path: FilePath) throws -> UInt64 {
  let found = try FileManager.default.attributesOfItem(atPath: path.string)[.systemFileNumber]
  return try #require(found as? NSNumber).uint64Value
}

/// What `shared status` prints in JSON.
struct Status {
  let object: JSONObject
  var gateways: [[String: Any]] { object.members["gateways"] as? [[String: Any]] ?? [] }

  init(of database: String) throws {
    object = try figures(output(of: "shared", "status", database, "--format", "json"))
  }
}

/// Rights, and figures for monitoring systems.
extension SharedTests {
  /// The rights that Docs/Gateways.md names are enough, and no more are needed.
  @Test(.opensHandles) func rolesWithFewRights() throws {
    let place = try Workplace()
    let database = try DatabaseServer.database()
    let name = "r\(UInt32.random(in: 0...UInt32.max))"
    let document = FilePath(#filePath).removingLastComponent().appending("../../Docs/Gateways.md")
    let blocks = try read(document).components(separatedBy: "```sql\n").dropFirst()
      .map { $0.components(separatedBy: "```")[0] }
    #expect(blocks.count == 1)
    let grants = (blocks.first ?? "").replacingOccurrences(of: "nodes", with: name)
    try DatabaseServer.run("CREATE SCHEMA \(name)", in: database)
    let admin = "\(database) options=-csearch_path=\(name)"
    try output(of: "shared", "init", admin)
    try DatabaseServer.run(grants, in: database)
    let serving = admin.replacingOccurrences(of: "user=postgres", with: "user=\(name)_serve")
    let watching = admin.replacingOccurrences(of: "user=postgres", with: "user=\(name)_watch")
    try output(of: "export", "add", "shared:\(serving)", "tree", place.tree)
    try output(of: "index", "shared:\(serving)", place.tree)
    try output(of: "token", "shared:\(serving)", "tree", "file")
    try unlink(place.path("directory/one"))
    #expect(try handlestore("verify", "shared:\(serving)", "--retire").status == 1)
    try output(of: "key", "rotate", "shared:\(serving)")
    let store = try Store(shared: serving, gateway: "server")
    let filesystem = try Synthetic.attach(to: store)
    let node = try store.register(Synthetic.file(1), on: filesystem).node
    try store.watch(node, mask: .deleteSelf, by: WatcherID(rawValue: 1))
    _ = try store.retire(node)
    #expect(try store.deletions().nodes == [node])
    try store.unwatch(node, by: WatcherID(rawValue: 1))
    try store.close()
    // Who watches sees the nodes, but not the keys.
    try output(of: "dump", "shared:\(watching)")
    #expect(try output(of: "shared", "status", watching).contains("server version"))
    let refusals = [
      ["key", "list", "shared:\(watching)"], ["index", "shared:\(watching)", place.tree],
      ["shared", "import", place.store, serving],
    ]
    try output(of: "index", place.store, place.tree)
    for command in refusals.prefix(2) {
      let result = try run([product("handlestore")] + command)
      #expect(result.status == 4, "\(command): \(result.errors)")
    }
    #expect(try run([product("handlestore")] + refusals[2]).status == 2)
  }

  @Test(.checksMetrics) func figuresForMonitoring() throws {
    let database = try DatabaseServer.database()
    let server = try Store(shared: database, gateway: "server \"1\"")
    let filesystem = try Synthetic.attach(to: server)
    _ = try server.registerEach(1...5, on: filesystem)
    let open = try MetricsCheck.openMetrics(
      output(of: "shared", "status", database, "--format", "openmetrics"))
    let nodes = open.filter { $0.name == "handlestore_nodes" }
    #expect(nodes.map { $0.labels["state"] } == ["live", "stale"])
    #expect(nodes.map(\.value) == [5, 0])
    let live = open.filter { $0.name == "handlestore_gateway_live" }
    #expect(live.map { $0.labels["gateway"] } == ["server \"1\""])
    #expect(live.map(\.value) == [1])
    let text = try output(of: "shared", "status", database, "--format", "prometheus")
    #expect(try MetricsCheck.promtool(text) == ([], 0), "\(text)")
    try server.close()
  }
}

/// A local store becomes a shared one, and the other way.
extension SharedTests {
  @Test(.opensHandles) func thereAndBack() throws {
    let place = try Workplace.indexed()
    let store = place.store
    try output(of: "export", "add", store, "tree", place.tree)
    let token = try output(of: "token", store, "tree", "file", "--reference").dropLast()
    let local = try fill(store)
    let before = try output(of: "dump", store, "--format", "json")
    let database = try DatabaseServer.database()
    let count = try objects(before).count
    #expect(
      try figures(output(of: "shared", "import", store, database, "--json")).number("nodes")
        == UInt64(count))
    #expect(try output(of: "dump", "shared:\(database)", "--format", "json") == before)
    let status = try Status(of: database).object
    #expect(status.number("nodes") == UInt64(count))
    #expect(status.number("limbo") == 2)
    try output(of: "decode", "shared:\(database)", "tree", "\(token)")
    // A gateway finds every file under its id, and mints far above.
    let gateway = try Store(shared: database, gateway: "a")
    let filesystem = try Synthetic.attach(to: gateway)
    for (file, node) in local {
      #expect(try gateway.register(file, on: filesystem).node == node)
    }
    #expect(try gateway.deletions().nodes.count == 1)
    let new = try gateway.register(Synthetic.file(99_999), on: filesystem).node
    #expect(new.rawValue > 1 << 40)
    try gateway.retire(new)
    try gateway.close()
    // And back.
    let shared = try output(of: "dump", "shared:\(database)", "--format", "json")
    let back = place.directory.appending("back").string
    try output(of: "shared", "export", database, back)
    #expect(try output(of: "dump", back, "--format", "json") == shared)
    try output(of: "check", back)
    try output(of: "decode", back, "tree", "\(token)")
    let again = try Store(at: FilePath(back))
    #expect(try Synthetic.attach(to: again) == filesystem)
    for (file, node) in local {
      #expect(try again.register(file, on: filesystem).node == node)
    }
    #expect(try again.deletions() == Deletions(nodes: [], overflowed: false))
    let last = try again.register(Synthetic.file(99_998), on: filesystem).node
    #expect(last.rawValue > new.rawValue + 1 << 39)
    try again.close()
    try output(of: "check", back)
  }

  /// Puts files of all kinds into a store, and returns the live ones.
  private func fill(_ path: String) throws -> [(FoundFile, NodeID)] {
    let store = try Store(at: FilePath(path))
    let filesystem = try Synthetic.attach(to: store)
    var live: [(FoundFile, NodeID)] = []
    func add(_ file: FoundFile) throws -> NodeID {
      let node = try store.register(file, on: filesystem).node
      live.append((file, node))
      return node
    }
    let folder = try add(Synthetic.file(1000, mode: 0o40755))
    let other = try add(Synthetic.file(1001, mode: 0o40755))
    for i in 0..<1500 as Range<UInt64> { _ = try add(Synthetic.file(2000 + i, parent: folder)) }
    for i in 0..<60 as Range<UInt64> {
      _ = try add(
        FoundFile(
          handle: Synthetic.opaque(i, length: 40),
          status: FileStatus(inode: 5000 + i, mode: Synthetic.mode), parent: folder))
    }
    // A further parent.
    _ = try add(Synthetic.file(1002, parent: folder, links: 2))
    _ = try store.register(Synthetic.file(1002, parent: other, links: 2), on: filesystem)
    // Aliases, of both kinds.
    for (file, i) in [
      (Synthetic.file(1003), 0),
      (
        FoundFile(
          handle: Synthetic.opaque(100, length: 12),
          status: FileStatus(inode: 6000, mode: Synthetic.mode)), 1 as UInt64
      ),
    ] {
      let node = try add(file)
      try store.copyUp(node, to: Synthetic.file(1010 + i), on: filesystem)
      live.append((Synthetic.file(1010 + i), node))
    }
    // Stale, watched, in limbo.
    let gone = try store.registerEach(3900...3903, on: filesystem).map(\.node)
    for (i, node) in gone.enumerated() where i > 0 {
      try store.watch(node, mask: .deleteSelf, by: WatcherID(rawValue: .max - UInt64(i)))
    }
    try store.retire(gone[0])
    try store.retire(gone[1])
    #expect(try store.deletions().nodes == [gone[1]])
    try store.retire(gone[2])
    try store.watch(folder, mask: [.create, .delete], by: WatcherID(rawValue: 7))
    try store.watch(folder, mask: .moveSelf, by: WatcherID(rawValue: 8))
    try store.close()
    return live
  }

  @Test func anImportIsForAnUnusedStore() throws {
    let directory = try TemporaryDirectory()
    let path = directory.appending("store").string
    let local = try Store(at: FilePath(path))
    let filesystem = try Synthetic.attach(to: local)
    _ = try local.registerEach(1...10, on: filesystem)
    // A server has it open.
    let database = try DatabaseServer.database()
    #expect(try handlestore("shared", "import", path, database).status == 3)
    try local.close()
    let gateway = try Store(shared: database, gateway: "a")
    let live = try handlestore("shared", "import", path, database)
    #expect(live.status == 2)
    #expect(live.errors.contains("a gateway uses the store"))
    try gateway.close()
    try output(of: "shared", "import", path, database)
    let twice = try handlestore("shared", "import", path, database)
    #expect(twice.status == 2)
    #expect(twice.errors.contains("has a store with nodes"))
    let keys = try DatabaseServer.database()
    try output(of: "shared", "init", keys)
    try output(of: "key", "rotate", "shared:\(keys)")
    #expect(try handlestore("shared", "import", path, keys).status == 2)
    let full = try handlestore("shared", "export", database, path)
    #expect(full.status == 4)
    #expect(full.errors.contains("Directory not empty"))
    #expect(try handlestore("shared", "import", "\(path)-none", keys).status == 3)
  }

  /// An import that is killed leaves nothing, and can be tried again.
  @Test func anImportIsAllOrNothing() throws {
    let directory = try TemporaryDirectory()
    let path = directory.appending("store").string
    let local = try Store(at: FilePath(path))
    let filesystem = try Synthetic.attach(to: local)
    for batch in 0..<20 as Range<UInt64> {
      _ = try local.register(
        batch: (0..<2000).map { Synthetic.file(batch * 2000 + $0) }, on: filesystem)
    }
    try local.close()
    let database = try DatabaseServer.database()
    try output(of: "shared", "init", database)
    // It waits for another one's lock, after it has put the nodes.
    let other = try Child([
      "/usr/lib/postgresql/15/bin/psql", "-XqAt", "-d", database, "-c", "BEGIN", "-c",
      "LOCK TABLE handlestore_limbo IN EXCLUSIVE MODE", "-c", "SELECT 'locked'", "-c",
      "SELECT pg_sleep(60)",
    ])
    #expect(other.line() == "locked")
    let importing = try Child("handlestore", ["shared", "import", path, database])
    usleep(2_500_000)
    importing.kill()
    try DatabaseServer.run(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'",
      in: database)
    other.kill()
    #expect(try Status(of: database).object.number("nodes") == 0)
    try output(of: "shared", "import", path, database)
    #expect(try Status(of: database).object.number("nodes") == 40_000)
  }
}
