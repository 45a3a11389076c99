import Foundation
import HandleStore
import PostgresNodeIndex
import SystemPackage
import TestSupport
import Testing

/// The commands with the rights of several roles, and figures for monitoring systems.
@Suite(.server) struct SharedRightsTests {
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
      let result = try run([Commands.handlestore] + command)
      #expect(result.status == 4, "\(command): \(result.errors)")
    }
    #expect(try run([Commands.handlestore] + refusals[2]).status == 2)
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
