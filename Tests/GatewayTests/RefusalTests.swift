import Foundation
import HandleStore
import PostgresNodeIndex
import SystemPackage
import TestSupport
import Testing

/// What a user is told if a gateway cannot go on.
@Suite(.server) struct RefusalTests {
  /// Not that the disk has failed.
  @Test func aDatabaseThatRefuses() throws {
    let gateways = try Gateways()
    let a = try gateways.open("a")
    let filesystem = try Synthetic.attach(to: a)
    try gateways.run("ALTER TABLE handlestore_node RENAME COLUMN hint TO former_hint")
    try gateways.run("ALTER TABLE handlestore_file RENAME COLUMN contents TO former_contents")
    let uses: [() throws -> Void] = [
      { _ = try a.register(Synthetic.file(1), on: filesystem) }, { _ = try a.exports() },
    ]
    for use in uses {
      let error = #expect(throws: StoreError.self) { try use() }
      #expect(error?.code == .database && error?.errno == .ioError)
      #expect(error?.description.contains("see the log of the server") == true)
    }
    try a.close()
  }

  @Test func aRoleWithoutRights() throws {
    let gateways = try Gateways()
    try gateways.open("a").close()
    try gateways.run("CREATE ROLE refused LOGIN; GRANT SELECT ON handlestore_store TO refused")
    let error = #expect(throws: StoreError.self) {
      try Store(shared: gateways.database.replacing("user=postgres", with: "user=refused"))
    }
    #expect(error?.code == .database && error?.errno == .permissionDenied)
    #expect(error?.description.contains("grant the role its rights") == true)
  }

  /// Somebody has a lock, and keeps it.
  @Test func aLockThatIsKept() throws {
    let gateways = try Gateways()
    try gateways.open("a").close()
    let held = try HeldLock(in: gateways, by: "LOCK TABLE handlestore_gateway IN EXCLUSIVE MODE")
    let error = #expect(throws: StoreError.self) {
      try gateways.open("a", patience: .seconds(1))
    }
    #expect(error?.errno == .timedOut)
    held.release()
    try gateways.open("a", patience: .seconds(10)).close()
  }

  /// Threads that need the keys wait for them together, and not one after the other.
  @Test(.serverAndMounts) func keysThatCannotBeRead() throws {
    let server = try DatabaseServer()
    let gateways = try Gateways(on: server)
    let volume = try Volume(.ext4)
    try write("hello", to: volume.path.appending("file"))
    let a = try gateways.open("a", patience: .seconds(2))
    _ = try a.attach(volume.path)
    let folder = try FileDescriptor.open(volume.path, .readOnly, options: .directory)
    defer { try? folder.close() }
    let export = try a.addExport("home", roots: [folder])
    let token = try #require(try export.lookup("file", in: .node(.root))).token
    // The keys are read again after a second.
    sleep(1)
    let held = try HeldLock(in: gateways, by: "LOCK TABLE handlestore_file")
    let threads = 8
    let errors = try inThreads(threads) { _ in
      #expect(throws: StoreError.self) { try export.open(.token(token), as: .path).close() }
    }
    for error in errors { #expect(error?.code == .unusableKeys) }
    let reads = server.log.components(separatedBy: "due to lock timeout").count - 1
    #expect((1..<threads).contains(reads), "\(reads) reads by \(threads) threads")
    held.release()
    try export.open(.token(token), as: .path).close()
    try a.close()
  }

  /// The process can have no further thread, which the gateway needs for its lease.
  @Test func aProcessWithoutThreads() throws {
    let gateways = try Gateways()
    try gateways.open("a").close()
    let worker = try Child("storeworker", ["threadless", gateways.database])
    let line = try #require(worker.line())
    #expect(line.contains("starting the thread that renews the lease"), "\(line)")
    #expect(worker.wait() == 0)
    // It has left nothing behind.
    try gateways.require("NOT EXISTS (SELECT FROM handlestore_gateway)")
  }

  /// Not that `handlestore repair` would help, which is for stores in a directory.
  @Test func anotherStoreInItsPlace() throws {
    let gateways = try Gateways()
    let a = try gateways.open("a")
    let filesystem = try Synthetic.attach(to: a)
    try gateways.run("UPDATE handlestore_store SET number = number + 1")
    try gateways.run(
      """
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid()
      """)
    let error = #expect(throws: StoreError.self) {
      try a.register(Synthetic.file(1), on: filesystem)
    }
    #expect(error?.code == .database)
    #expect(error?.description.contains("another store has taken the place of this one") == true)
    try a.close()
  }

  @Test func aRowThatMakesNoSense() throws {
    let gateways = try Gateways()
    let a = try gateways.open("a")
    _ = try Synthetic.attach(to: a)
    try a.close()
    try gateways.run("UPDATE handlestore_filesystem SET known = 'nonsense'")
    let error = #expect(throws: StoreError.self) { try Store(shared: gateways.database) }
    #expect(error?.code == .database)
    #expect(error?.description.contains("restore a backup of the database") == true)
  }
}
