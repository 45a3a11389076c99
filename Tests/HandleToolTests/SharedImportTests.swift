import Foundation
import HandleStore
import PostgresNodeIndex
import SystemPackage
import TestSupport
import Testing

/// A local store becomes a shared one, and the other way.
@Suite(.server) struct SharedImportTests {
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
    let other = try DatabaseServer.session(in: database)
    other.send("BEGIN; LOCK TABLE handlestore_limbo IN EXCLUSIVE MODE; SELECT 'locked';")
    #expect(other.line() == "locked")
    let importing = try Child([Commands.handlestore, "shared", "import", path, database])
    for _ in 0..<6000 {
      other.send("SELECT count(*) FROM pg_locks WHERE NOT granted;")
      if other.line() == "1" { break }
      usleep(10_000)
    }
    importing.kill()
    other.kill()
    #expect(try Status(of: database).object.number("nodes") == 0)
    try output(of: "shared", "import", path, database)
    #expect(try Status(of: database).object.number("nodes") == 40_000)
  }
}
