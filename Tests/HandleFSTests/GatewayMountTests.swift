import Foundation
import Glibc
import SystemPackage
import TestSupport
import Testing

extension Trait where Self == ConditionTrait {
  /// The test also needs a database server.
  static var mountsOnADatabase: Self {
    .enabled(
      if: Mounted.program != nil && mayMount && DatabaseServer.isInstalled
        || isContinuousIntegration,
      "needs root, the environment variable HANDLEFS, and PostgreSQL 15")
  }
}

/// Mounts whose nodes are in a database: each is a gateway of its own. Two of them with one source stand for
/// two hosts with a cluster filesystem.
@Suite(.serialized) struct GatewayMountTests {
  /// A client that fails over from one gateway to the other finds its files there by their handles.
  @Test(.mountsOnADatabase) func handlesFailOver() throws {
    let (volume, database) = (try Volume(.ext4), try DatabaseServer.database())
    let first = try Mounted(volume, shared: database)
    let second = try Mounted(volume, shared: database)
    try first.perform("mkdir d; echo text >d/file; ln -s file d/link; mkfifo d/pipe")
    let names = ["", "d", "d/file", "d/link", "d/pipe"]
    #expect(try first.handleText(names) == second.handleText(names))
    let handle = try first.handleText(["d/file"])
    #expect(try second.open(handle) == "has text")
    try second.perform("mv d/file d/moved; echo more >>d/moved; echo new >new")
    let new = try second.handleText(["new"])
    #expect(try first.open(handle) == "has text\nmore")
    first.killAll()
    #expect(try second.open(handle) == "has text\nmore")
    #expect(umount2(first.mountpoint.string, Int32(MNT_DETACH)) == 0)
    try first.mount()
    try second.unmount()
    #expect(try first.open(handle) == "has text\nmore")
    #expect(try first.open(new) == "has new")
    try first.unmount()
    try second.mount()
    #expect(try second.open(new) == "has new")
    #expect(try second.handleText(["d/moved", "new"]) == "\(handle)\n\(new)")
    try second.perform("rm new")
    #expect(try second.open(new) == "ESTALE")
  }

  /// Hosts that see the filesystem under different UUIDs and devices show the same numbers and handles if both
  /// are told its name. A mount of another filesystem under this name ends.
  @Test(.mountsOnADatabase) func aFilesystemWithAName() throws {
    let (volume, database) = (try Volume(.ext4), try DatabaseServer.database())
    try succeed("mkdir", volume.path.appending("source").string)
    try write("text", to: volume.path.appending("source/file"))
    let other = try Volume(withOtherIdentity: volume)
    let name = ["--filesystem-name", "projects"]
    let first = try Mounted(volume, shared: database, name)
    let second = try Mounted(other, shared: database, name)
    let names = ["", "file"]
    #expect(try first.handleText(names) == second.handleText(names))
    let handle = try first.handleText(["file"])
    first.killAll()
    #expect(umount2(first.mountpoint.string, Int32(MNT_DETACH)) == 0)
    #expect(try second.open(handle) == "has text")
    try second.unmount()
    // The host knows its mount now.
    let third = try Mounted(other, shared: database)
    #expect(try third.open(handle) == "has text")
    let (wrong, place) = (try Volume(.ext4), try TemporaryDirectory())
    let result = try run(
      [try #require(Mounted.program), wrong.path.string, place.path.string, "--shared", database]
        + name)
    #expect(result.status == 2, "\(result)")
    #expect(result.errors.contains("projects is the name of filesystem 1"), "\(result)")
  }

  /// What is changed through one gateway is soon seen through the other, whatever that has cached.
  @Test(.mountsOnADatabase) func changesAreSeen() throws {
    let (volume, database) = (try Volume(.ext4), try DatabaseServer.database())
    let mounts = try (0..<2).map { _ in try Mounted(volume, shared: database) }
    for (one, other) in [(mounts[0], mounts[1]), (mounts[1], mounts[0])] {
      for round in 1...5 {
        try other.perform("ls; cat file || :")
        try one.perform("echo \(round) >file; touch new; chmod \(600 + round) file")
        try other.expectSoon(
          "cat file; ls; stat -c %a file", "\(round)\nfile\nnew\n\(600 + round)\n", within: 2)
        try one.perform("rm file new")
        // The listing is new at once, but the kernel may still have the names: a file that is made under such
        // a name would be the removed one.
        try other.expectSoon("ls; ls file new 2>&-", "", within: 2)
      }
    }
  }

  /// Programs on both gateways notice nothing of kills, also of both servers at once.
  @Test(.mountsOnADatabase) func nothingNoticesKills() throws {
    let (volume, database) = (try Volume(.ext4, megabytes: 768), try DatabaseServer.database())
    let seed = seed(usually: 5)
    var random = SeededGenerator(seed: seed)
    let mounts = try (0..<2).map { _ in try Mounted(volume, shared: database) }
    let loads = try zip(mounts, ["a-", "b-"]).map {
      try KillTests.Load(on: $0, KillTests.loads, prefix: $1)
    }
    for round in 1...6 * soak {
      usleep(.random(in: 20_000..<300_000, using: &random))
      let victims = round % 3 == 0 ? mounts : [mounts[round % 2]]
      let killed = try victims.map { ($0, try $0.killServer()) }
      for (victim, id) in killed { try victim.waitForNewServer(after: id) }
      let ended = loads.flatMap(\.ended)
      try #require(
        ended.isEmpty, "seed \(seed): \(ended)\n\(mounts.map { $0.log.suffix(2000) })")
    }
    let failures = try loads.flatMap { try $0.finish() }
    #expect(failures.isEmpty, "seed \(seed): \(failures.joined(separator: "\n"))")
  }

  // MARK: The database is away

  /// Programs wait for a database that is killed or stopped, and go on.
  @Test(.mountsOnADatabase) func programsWaitForTheDatabase() throws {
    let server = try DatabaseServer()
    let mounted = try Mounted(Volume(.ext4, megabytes: 768), shared: server.database())
    let load = try KillTests.Load(on: mounted, KillTests.loads)
    for round in 1...4 {
      usleep(300_000)
      if round % 2 == 0 { server.kill() } else { server.pause() }
      usleep(500_000)
      // A server that is killed meanwhile makes no difference.
      if round > 2 { try mounted.waitForNewServer(after: mounted.killServer()) }
      usleep(200_000)
      if round % 2 == 0 { try server.start() } else { server.resume() }
      try mounted.perform("touch round-\(round); ls -l >/dev/null")
      try #require(load.ended.isEmpty, "\(load.ended)\n\(mounted.log.suffix(2000))")
    }
    let failures = try load.finish()
    #expect(failures.isEmpty, "\(failures.joined(separator: "\n"))")
  }

  /// After the patience requests fail, nothing hangs, and the status says why. What happened meanwhile is
  /// not missed.
  @Test(.mountsOnADatabase) func requestsFailAfterThePatience() throws {
    let server = try DatabaseServer()
    let mounted = try Mounted(Volume(.ext4), shared: server.database(), ["--patience", "1"])
    for name in ["known", "file", "other"] {
      try write("text", to: mounted.source.appending(name))
    }
    // The second time, after the kernel was told that the file is new, it keeps what it hears.
    try mounted.perform("stat known; sleep 0.2; stat known")
    #expect(try mounted.status("database") == "answers")
    server.pause()
    try write("longer text", to: mounted.source.appending("known"))
    let answer = try mounted.run(
      ["sh", "-c", #"cd "$0"; stat file; stat other"#, mounted.mountpoint.string], seconds: 20)
    let failures = answer.errors.components(separatedBy: "Input/output error").count - 1
    #expect(failures == 2, "\(answer)")
    // The same error is not logged again and again.
    #expect(mounted.log.components(separatedBy: "a request failed").count == 2)
    #expect(
      try eventually(seconds: 20) {
        try mounted.status("database").hasPrefix("has not answered for ")
      })
    #expect(try mounted.isDatabaseUp() == false)
    server.resume()
    try mounted.perform("stat file")
    try mounted.expectSoon("stat -c %s known", "11\n", within: 20)
    #expect(try eventually(seconds: 20) { try mounted.status("database") == "answers" })
    #expect(try mounted.isDatabaseUp() == true)
  }

  /// A server that begins while the database is away waits for it, and requests with it.
  @Test(.mountsOnADatabase) func aNewServerWaitsForTheDatabase() throws {
    let server = try DatabaseServer()
    let mounted = try Mounted(Volume(.ext4), shared: server.database(), ["--patience", "1"])
    try write("text", to: mounted.source.appending("file"))
    server.kill()
    try mounted.waitForNewServer(after: mounted.killServer())
    #expect(
      try eventually(seconds: 20) {
        try mounted.status("database").contains("PostgreSQL cannot be reached")
      })
    #expect(try mounted.isDatabaseUp() == false)
    let reader = try Child(["cat", mounted.mountpoint.appending("file").string])
    // Longer than the patience: nobody has read the request.
    #expect(reader.wait(seconds: 2.5) == nil)
    try server.start()
    #expect(reader.wait(seconds: 20) == 0)
    // Without the database the mount can be taken down, whether the server waits or serves.
    server.kill()
    try mounted.waitForNewServer(after: mounted.killServer())
    try mounted.unmount()
    try server.start()
    mounted.options = []
    try mounted.mount()
    server.pause()
    // Until a heartbeat waits for the database.
    usleep(3_000_000)
    try mounted.unmount()
    server.resume()
  }

  /// A server that finds another store than the one that the mount began with serves nothing from it: there
  /// the numbers that the kernel knows are those of other files.
  @Test(.mountsOnADatabase) func anotherStoreIsNotUsed() throws {
    let directory = try TemporaryDirectory()
    let services = directory.appending("services")
    func serve(_ database: String) throws {
      let lines = database.split(separator: " ").joined(separator: "\n")
      try write("[nodes]\n\(lines)\n", to: services)
    }
    let database = try DatabaseServer.database()
    try serve(database)
    let mounted = try Mounted(
      Volume(.ext4), shared: "service=nodes", by: ["PGSERVICEFILE=\(services)"])
    try mounted.perform("echo text >file")
    try serve(DatabaseServer.database())
    try mounted.waitForNewServer(after: mounted.killServer())
    #expect(
      try eventually(seconds: 20) { try mounted.status("database").contains("has another store") })
    try serve(database)
    try mounted.expectSoon("cat file", "text\n", within: 20)
  }

  // MARK: Names

  /// A mount that takes over the name of another one takes the database from it. Its users get errors, and
  /// its administrator is told.
  @Test(.mountsOnADatabase) func oneNameIsOfOneMount() throws {
    let (volume, database) = (try Volume(.ext4), try DatabaseServer.database())
    let first = try Mounted(volume, shared: database, ["--gateway", "one"])
    try first.perform("echo text >file")
    let second = try Mounted(volume, shared: database, ["--gateway", "one"])
    try second.perform("cat file; echo text >other")
    #expect(
      try eventually(seconds: 20) {
        try first.status("database").hasPrefix("taken over by another mount")
      })
    let answer = try first.run(["stat", first.mountpoint.appending("other").string])
    #expect(answer.errors.contains("Input/output error"), "\(answer)")
    #expect(first.log.contains("another process has joined under the name one"), "\(first.log)")
    // The mount that is started again has the name.
    let program = try #require(Mounted.program)
    #expect(try first.run([program, "restart", first.mountpoint.string]).status == 0)
    try first.expectSoon("cat other", "text\n", within: 2)
  }

  /// There is no store to check after a crash.
  @Test(.mountsOnADatabase) func nothingIsMended() throws {
    let mounted = try Mounted(Volume(.ext4), shared: DatabaseServer.database())
    let server = try #require(mounted.serverID)
    #expect(kill(server, SIGABRT) == 0)
    try mounted.waitForNewServer(after: server)
    try mounted.perform("echo >file")
    #expect(!mounted.log.contains("store"), "\(mounted.log)")
  }

  /// The name of a gateway that has none is made of the host and the mount point.
  @Test(.mountsOnADatabase) func namesAreOfHostAndMountPoint() throws {
    let (volume, database) = (try Volume(.ext4), try DatabaseServer.database())
    let names = try (0..<2).map { _ in
      let mounted = try Mounted(volume, shared: database)
      return (try mounted.status("gateway"), mounted.mountpoint.string)
    }
    let host = try run("uname", "-n").output.trimmingCharacters(in: .whitespacesAndNewlines)
    for (name, mountpoint) in names {
      let whole = "\(host):\(mountpoint)"
      #expect(name.utf8.count <= 64 && name.hasPrefix(whole.prefix(40)))
      if whole.utf8.count <= 64 { #expect(name == whole) }
    }
    #expect(names[0].0 != names[1].0)
  }

  // MARK: Pins

  /// What the kernel knows is held for as long as the filesystem is mounted, whatever becomes of the
  /// gateway; after an unmount, nothing is.
  @Test(.mountsOnADatabase) func anUnmountHoldsNothing() throws {
    let (volume, database) = (try Volume(.ext4), try DatabaseServer.database())
    func expectGateways(withPins count: Int, others: Int = 0) throws {
      let sql = """
        SELECT 1 / (count(*) FILTER (WHERE has_pins) = \(count) AND count(*) = \(count + others))::int
        FROM handlestore_gateway
        """
      #expect(throws: Never.self) { try DatabaseServer.run(sql, in: database) }
    }
    let first = try Mounted(volume, shared: database)
    try first.perform("echo text >file; stat file")
    try expectGateways(withPins: 1)
    try first.waitForNewServer(after: first.killServer())
    try first.perform("stat file")
    let program = try #require(Mounted.program)
    #expect(try first.run([program, "restart", first.mountpoint.string]).status == 0)
    try expectGateways(withPins: 1)
    let second = try Mounted(volume, shared: database)
    try second.perform("stat file")
    try expectGateways(withPins: 2)
    second.killAll()
    try first.unmount()
    try expectGateways(withPins: 1)
  }

  // MARK: Watchers

  /// Each gateway tells its own watchers, whichever of them has seen the deletion, and leaves those of the
  /// others alone.
  @Test(.mountsOnADatabase) func eachTellsItsWatchers() throws {
    let (volume, database) = (try Volume(.ext4), try DatabaseServer.database())
    let mounts = try (0..<2).map { _ in try Mounted(volume, shared: database) }
    try mounts[0].perform("echo >file")
    let program = try #require(Mounted.program)
    let watchers = try mounts.map { mounted in
      try Child([
        program, "events", mounted.mountpoint.string, mounted.mountpoint.appending("file").string,
      ])
    }
    for watcher in watchers { #expect(watcher.line(seconds: 10) == #"{"watching":1}"#) }
    try mounts[0].waitForNewServer(after: mounts[0].killServer())
    #expect(watchers[0].line(seconds: 20)?.contains("watching") == true)
    // After ten seconds a new server ends the watches of those who have not come again.
    usleep(11_000_000)
    try mounts[1].perform("rm file")
    for watcher in watchers {
      var deletions = 0
      while deletions == 0, let line = watcher.line(seconds: 20) {
        if line.contains("deleteSelf") { deletions += 1 }
      }
      #expect(deletions == 1)
      watcher.kill()
    }
  }
}

extension Mounted {
  /// Opens a file by its handle.
  fileprivate func open(_ handle: String) throws -> String {
    try load("open-handle", mountpoint.string, handle)
  }

  /// A member of the status; empty if the server ends while it answers.
  fileprivate func status(_ member: String) throws -> String {
    let answer = try run(
      [Self.program ?? "", "status", mountpoint.string, "--format", "json"], seconds: 40)
    let members = try? JSONSerialization.jsonObject(with: Data(answer.output.utf8))
    return (members as? [String: Any])?[member] as? String ?? ""
  }

  /// What monitoring systems hear of the database.
  fileprivate func isDatabaseUp() throws -> Bool? {
    let text = try run([Self.program ?? "", "status", mountpoint.string, "--format", "prometheus"])
    let line = text.output.split(separator: "\n").first { $0.hasPrefix("handlefs_database_up{") }
    return line.map { $0.hasSuffix(" 1") }
  }

  /// Kills all processes, so that none is replaced.
  fileprivate func killAll() {
    guard let server = serverID, let supervisor = supervisorID else { return }
    try? stop(supervisor)
    for process in [server, supervisor] { kill(process, SIGKILL) }
    _ = eventually(seconds: 10) { serverID == nil && supervisorID == nil }
  }
}
