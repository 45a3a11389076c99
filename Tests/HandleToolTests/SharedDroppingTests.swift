import Foundation
import HandleStore
import PostgresNodeIndex
import TestSupport
import Testing

/// Nodes of a store in a database are dropped by a command, while servers use the store.
@Suite(.enabled(if: DatabaseServer.isInstalled, "PostgreSQL 15 is not installed"))
struct SharedDroppingTests {
  @Test func whatAServerHoldsStays() throws {
    let database = try DatabaseServer.database()
    let server = try Store(
      shared: database, gateway: "server", gatewayOptions: GatewayOptions(lease: .seconds(1)))
    let filesystem = try Synthetic.attach(to: server)
    let memory = try MemoryFile()
    let pins = try server.pins(in: memory.descriptor)
    let nodes = try (0..<4 as Range<UInt64>).map {
      try server.register(Synthetic.file($0), on: filesystem, pinnedBy: pins).node
    }
    for node in nodes[..<3] { try server.retire(node) }
    for node in nodes[1...] { pins.unpin(node) }
    let store = "shared:\(database)"
    #expect(try output(of: "prune", store, "--older-than", "0s") == "dropped  2\n")
    #expect(try server.node(nodes[0])?.state == .stale)

    for (name, word) in [("nobody", "there is no gateway nobody"), ("server", "try again in")] {
      let refused = try handlestore("shared", "remove", database, name)
      #expect(refused.status == 2 && refused.errors.contains(word), "\(refused.errors)")
    }
    // Its process ends, its client does not.
    try server.close()
    let refused = try handlestore("prune", store, "--older-than", "0s")
    #expect(refused.status == 4 && refused.errors.contains("the gateway server may hold them"))
    let gateways = try Status(of: database).gateways
    #expect(gateways.first { $0["gateway"] as? String == "server" }?["pins"] as? Bool == true)
    #expect(try output(of: "shared", "remove", database, "server") == "")
    #expect(try output(of: "prune", store, "--older-than", "0s") == "dropped  1\n")
  }
}
