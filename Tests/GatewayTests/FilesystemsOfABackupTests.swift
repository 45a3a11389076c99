import Glibc
import HandleStore
import PostgresNodeIndex
import TestSupport
import Testing

/// The database is put back to before a gateway attached a filesystem, and the gateway goes on.
@Suite(.serverAndMounts) struct FilesystemsOfABackupTests {
  private let server: DatabaseServer
  private let gateways: Gateways
  private let a: Store
  private let volumes: [Volume]
  private let lost: FilesystemID

  init() throws {
    server = try DatabaseServer()
    gateways = try Gateways(on: server)
    // No heartbeat comes between the steps.
    a = try gateways.open("a", lease: .seconds(300))
    _ = try Synthetic.attach(to: a)
    server.kill()
    try server.saveData()
    try server.start()
    volumes = [try Volume(.tmpfs), try Volume(.tmpfs)]
    lost = try a.attach(volumes[0].path)
    server.kill()
    try server.putBackData()
    try server.start()
  }

  @Test func itIsAddedAgain() throws {
    try write("", to: volumes[0].path.appending("file"))
    let node = try a.register("file", in: volumes[0].path, on: lost).node
    let b = try gateways.open("b")
    #expect(try b.attach(volumes[1].path) != lost)
    #expect(try b.attach(volumes[0].path) == lost)
    #expect(try b.register("file", in: volumes[0].path, on: lost).node == node)
    for store in [a, b] { try store.close() }
  }

  /// The gateway would open nodes of the other filesystem on its own.
  @Test func anotherOneHasItsNumber() throws {
    let b = try gateways.open("b")
    #expect(try b.attach(volumes[1].path) == lost)
    try write("", to: volumes[0].path.appending("file"))
    let error = #expect(throws: StoreError.self) {
      try a.register("file", in: volumes[0].path, on: lost)
    }
    #expect(error?.code == .database)
    #expect(a.gatewayStatus?.end?.code == .database)
    for store in [a, b] { try store.close() }
  }
}
