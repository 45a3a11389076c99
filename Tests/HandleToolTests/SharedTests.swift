import Foundation
import HandleStore
import PostgresNodeIndex
import SystemPackage
import TestSupport
import Testing

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

  /// Two hosts see a filesystem under different UUIDs and devices. Each is told its name once.
  @Test(.opensHandles) func aFilesystemWithAName() throws {
    let volume = try Volume(.ext4)
    try makeTree(in: volume.path)
    let other = try Volume(withOtherIdentity: volume)
    let (first, second) = (volume.path.string, other.path.string)
    let database = try DatabaseServer.database()
    let store = "shared:\(database)"
    #expect(try handlestore("shared", "name", database, first, "projects").status == 3)
    try output(of: "shared", "init", database)
    for path in [first, second] {
      #expect(
        try output(of: "shared", "name", database, path, "projects")
          == "filesystem  1\nname        projects\n")
    }
    let counts = try figures(output(of: "index", store, first, "--json"))
    #expect(counts.number("created") ?? 0 > 20)
    let again = try figures(output(of: "index", store, second, "--json"))
    #expect(again.number("created") == 0)
    #expect(again.number("directories") == counts.number("directories"))
    let inode = try inodeNumber(of: volume.path.appending("directory/one"))
    try volume.unmount()
    let nodes = try objects(output(of: "dump", store, "--format", "json"))
    let node = try #require(nodes.first { $0.number("inode") == inode }?.number("node"))
    let opened = try output(of: "open", store, "\(node)")
    #expect(opened.contains(other.path.appending("directory/one").string), "\(opened)")
    #expect(try figures(output(of: "verify", store, "--json")).number("stale") == 0)
    let wrong = try Volume(.ext4)
    let refused = try handlestore("shared", "name", database, wrong.path.string, "projects")
    #expect(refused.status == 2)
    #expect(refused.errors.contains("projects is the name of filesystem 1"), "\(refused.errors)")
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
    let end = ContinuousClock.now + .seconds(30)
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
      let result = try run([Commands.handlestore] + command)
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
      let result = try run([Commands.handlestore] + command)
      #expect(result.status == 3, "\(command): \(result.errors)")
      #expect(result.errors.contains("there is no store at the database"), "\(result.errors)")
    }
    #expect(try figures(output(of: "shared", "init", database, "--json")).flag("created") == true)
    #expect(try output(of: "shared", "init", "shared:\(database)") == "created  no\n")
    #expect(try output(of: "dump", "shared:\(database)", "--format", "json") == "")
    #expect(try output(of: "shared", "status", database).contains("synchronous commit"))
  }

  /// Each message comes without a second try, and none has the password.
  @Test func aDatabaseThatCannotBeReached() throws {
    for connection in [
      "host=/nowhere password=secret", "dbname", "postgresql://u:secret@/x@localhost/db",
      "\(try DatabaseServer.database())-none password=secret",
    ] {
      for command in [
        ["dump", "shared:\(connection)"], ["index", "shared:\(connection)", "/dev/shm"],
        ["shared", "init", connection], ["shared", "status", connection],
      ] {
        // A second try would take the patience, half a minute.
        let result = try run(["timeout", "25", Commands.handlestore] + command)
        #expect(result.status == 4, "\(command): \(result.errors)")
        #expect(result.errors.hasPrefix("handlestore: "))
        #expect(!result.errors.contains("secret"), "\(result.errors)")
      }
    }
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
    let command = Commands.handlestore
    #expect(
      try run([command, "shared", "init", "service=nodes"], environment: environment).status == 0)
    let named = environment.merging(["PGSERVICE": "nodes"]) { $1 }
    #expect(try run([command, "dump", "shared:"], environment: named).status == 0)
    #expect(try run([command, "shared", "status", ""], environment: named).status == 0)
  }
}
