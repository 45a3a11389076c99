import Foundation
import HandleStore
import PostgresNodeIndex
import SystemPackage
import TestSupport
import Testing

/// Development builds left rows in `handlestore_key` for nodes that they had dropped: hints, of which several
/// nodes of one `st_ino` have the same.
@Suite(.server) struct LeftoverHintTests {
  /// What Docs/Upgrading.md says about them.
  private func statement() throws -> String {
    let document = FilePath(#filePath).removingLastComponent().appending("../../Docs/Upgrading.md")
    let blocks = try read(document).components(separatedBy: "```sql\n").dropFirst()
      .map { $0.components(separatedBy: "```")[0] }
    #expect(blocks.count == 1)
    return try #require(blocks.first)
  }

  private func register(
    _ inode: UInt64, in store: Store, on filesystem: FilesystemID
  ) throws -> Registration {
    try store.register(
      Synthetic.opaque(inode, length: 40),
      status: FileStatus(inode: inode, mode: Synthetic.mode), on: filesystem)
  }

  /// Makes rows for a node of each kind of key: an inode, an alias, an opaque handle and a hint.
  private func fill(_ store: Store, on filesystem: FilesystemID) throws {
    let copied = try store.registerEach(1...10, on: filesystem)[0].node
    try store.copyUp(
      copied, to: Synthetic.handle(11), status: FileStatus(inode: 11, mode: Synthetic.mode),
      on: filesystem)
    for inode in 20..<30 as Range<UInt64> {
      _ = try register(inode, in: store, on: filesystem)
    }
    _ = try store.retire(register(29, in: store, on: filesystem).node)
  }

  @Test func theyAreRemoved() throws {
    let gateways = try Gateways()
    let store = try gateways.open("a", patience: .seconds(1))
    let filesystem = try Synthetic.attach(to: store)
    try fill(store, on: filesystem)
    try gateways.run("CREATE TABLE kept AS TABLE handlestore_key")
    // The hint for the `st_ino` 99, and a node that is gone.
    try gateways.run(
      """
      INSERT INTO handlestore_key
      SELECT set_byte(key, 10, 99), 999, false FROM handlestore_key
      WHERE get_byte(key, 0) = ascii('h') AND get_byte(key, 10) = 20
      """)
    let error = #expect(throws: StoreError.self) {
      try register(99, in: store, on: filesystem)
    }
    #expect(error?.errno == .timedOut)
    try gateways.run(statement())
    try gateways.require("NOT EXISTS (TABLE kept EXCEPT TABLE handlestore_key)")
    try gateways.require("NOT EXISTS (TABLE handlestore_key EXCEPT TABLE kept)")
    #expect(try register(99, in: store, on: filesystem).outcome == .created)
    try store.close()
  }

  /// The hints of nodes that gateways make meanwhile stay.
  @Test func gatewaysGoOn() throws {
    let gateways = try Gateways()
    let store = try gateways.open("a")
    let filesystem = try Synthetic.attach(to: store)
    let statement = try statement()
    _ = try inThreads(2) { thread in
      if thread == 0 {
        for inode in 1...500 as ClosedRange<UInt64> {
          _ = try register(inode, in: store, on: filesystem)
        }
      } else {
        for _ in 0..<20 { try gateways.run(statement) }
      }
    }
    try gateways.require(
      "(SELECT count(*) FROM handlestore_key WHERE get_byte(key, 0) = ascii('h')) = 500")
    try store.close()
  }
}
