import HandleStore
import PostgresNodeIndex
import TestSupport
import Testing

/// A program meets a store of a format that it does not know.
@Suite(.server) struct FormatTests {
  @Test func aNewerFormatIsLeftAlone() throws {
    let gateways = try Gateways()
    let serving = try gateways.open("a")
    let filesystem = try Synthetic.attach(to: serving)
    _ = try serving.register(Synthetic.file(1), on: filesystem)
    try gateways.run("UPDATE handlestore_store SET format = 2")
    let directory = try TemporaryDirectory()
    let other = try Store(at: directory.appending("store"))
    let uses: [() throws -> Void] = [
      { _ = try gateways.open("a") }, { _ = try gateways.open("b") },
      { _ = try Store(shared: gateways.database) },
      { _ = try SharedStore(gateways.database).make() },
      { _ = try SharedStore(gateways.database).take(other) },
      { _ = try SharedStore(gateways.database).copy(to: directory.appending("copy")) },
    ]
    for use in uses {
      #expect(throws: StoreError.unsupportedVersion(found: 2, supported: 1)) { try use() }
    }
    // The program that knows the format, as it were, still has its name and its lease.
    try gateways.require("(SELECT count(*) FROM handlestore_gateway) = 1")
    #expect(try serving.register(Synthetic.file(2), on: filesystem).outcome == .created)
    for store in [serving, other] { try store.close() }
  }
}
