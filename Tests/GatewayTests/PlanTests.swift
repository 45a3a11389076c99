import HandleStore
import SystemPackage
import TestSupport
import Testing

/// How the server runs the statements of the engine, as it logs it itself (auto_explain): it must not read
/// a whole table for one of them, however many nodes there are.
@Suite(.server) struct PlanTests {
  /// When the gateway's statements are planned.
  enum Planning: CaseIterable {
    /// In a store that has many nodes, of which the server has statistics.
    case late
    /// In a new store. The plans are still in use when it has many nodes.
    case early
    /// In a store that had one node when the server made its statistics.
    case atOneNode
  }

  @Test(arguments: Planning.allCases) func noStatementReadsAWholeTable(_ planning: Planning) throws
  {
    let server = try DatabaseServer()
    let gateways = try Gateways(on: server)
    let database = gateways.database
    try gateways.open("makes the tables").close()
    try explain(in: database)
    switch planning {
    case .early: break
    case .late: try fill(database, nodes: 2..<100_000)
    case .atOneNode: try fill(database, nodes: 2..<3)
    }
    if planning != .early { try DatabaseServer.run("ANALYZE", in: database) }

    let options = StoreOptions(limboLimit: 1_000_000)
    let (a, b) = try (gateways.open("a", lease: .seconds(1), options), gateways.open("b"))
    for store in [a, b] { _ = try Synthetic.attach(to: store) }
    try use(a, b, files: 0)
    if planning != .late { try fill(database, nodes: 3..<100_000) }
    let before = server.log.utf8.count
    try use(a, b, files: 1000)
    // Of a heartbeat, too.
    #expect(
      becomes { plans(server, after: before).contains { $0.contains("AS s (gateway, number)") } })
    for store in [a, b] { try store.close() }
    let used = plans(server, after: before)
    #expect(used.count > 40)
    for plan in used {
      if Self.exceptions.contains(where: { plan.contains($0) }) { continue }
      #expect(wholeTables(plan).isEmpty, "\(plan)")
    }
  }

  /// Tables that have a row for each node, or may have.
  private static let big = ["node", "key", "alias", "place", "watch", "limbo", "change"]
    .map { "handlestore_\($0)" }

  private static let exceptions = [
    // All nodes in limbo are asked for.
    "SELECT node, is_reported FROM handlestore_limbo",
    // How many there are. Only if a watched node is retired.
    "WITH gone AS",
  ]

  /// The tables that a plan reads without a condition on an index.
  private func wholeTables(_ plan: String) -> [String] {
    let lines = plan.split(separator: "\n").map(String.init)
    return lines.indices.compactMap { i in
      guard let scan = lines[i].firstMatch(of: /(Scan|Scan using \w+) on (handlestore_\w+)/),
        Self.big.contains(String(scan.2)), !lines[i].contains("Bitmap Heap")
      else { return nil }
      let next = lines.dropFirst(i + 1).first ?? ""
      return next.contains("Index Cond") || lines[i].contains("using handlestore_limbo_news")
        ? nil : String(scan.2)
    }
  }

  private func explain(in database: String) throws {
    let name = database.split(separator: "=").last.map(String.init) ?? ""
    for setting in [
      "session_preload_libraries = 'auto_explain'", "auto_explain.log_min_duration = 0",
    ] {
      try DatabaseServer.run("ALTER DATABASE \(name) SET \(setting)", in: database)
    }
  }

  /// Makes rows as many nodes have them that differ from each other.
  private func fill(_ database: String, nodes: Range<Int>) throws {
    let each = "generate_series(\(nodes.lowerBound)::bigint, \(nodes.upperBound - 1)) g"
    for insertion in [
      "node (id, parent, since, version, handle_type, type, filesystem, state, handle) "
        + "SELECT g + (1 << 40), 2, 1, 1, 1, 32768, 1, 1, int8send(g)",
      "key SELECT int8send(g), g + (1 << 40), false",
      "alias SELECT g + (1 << 40), int8send(g), 1, 1, 32768, 1, int8send(g)",
      "place SELECT g + (1 << 40), 2", "watch SELECT g + (1 << 40), 1, 1",
      "limbo SELECT g + (1 << 40), true", "change SELECT 1, g, g + (1 << 40)",
    ] {
      let sql = insertion.replacing("(1 << 40)", with: "(1::bigint << 40)")
      try DatabaseServer.run("INSERT INTO handlestore_\(sql) FROM \(each)", in: database)
    }
  }

  private func plans(_ server: DatabaseServer, after offset: Int) -> [String] {
    let log = String(decoding: server.log.utf8.dropFirst(offset), as: UTF8.self)
    return log.split(separator: "LOG:  duration: ").map(String.init)
      .filter { $0.contains("Query Text: ") }
  }

  /// Calls what reads or changes nodes.
  private func use(_ a: Store, _ b: Store, files first: UInt64) throws {
    guard let filesystem = a.knownFilesystems().first?.id else { return }
    let nodes = try a.register(
      batch: (first..<first + 100).map { Synthetic.file($0) }, on: filesystem
    ).map(\.node)
    _ = try a.limbo()
    for i in 0..<8 {
      let inode = first + UInt64(i)
      _ = try b.register(Synthetic.file(inode), on: filesystem)
      _ = try b.node(of: Synthetic.handle(inode), on: filesystem)
      _ = try b.register(Synthetic.file(first + 200 + UInt64(i), parent: nodes[99]), on: filesystem)
      try a.watch(nodes[i], mask: .access, by: WatcherID(rawValue: 1))
      _ = try a.watches(of: nodes[i])
      _ = try a.retire(nodes[i])
      _ = try a.retire(nodes[i + 20])
      // A reuse, a file with several names, and a copy.
      let reused = Synthetic.file(first + 40 + UInt64(i), generation: 2)
      _ = try a.register(reused, on: filesystem)
      for parent in nodes[98...99] {
        let linked = Synthetic.file(first + 60 + UInt64(i), parent: parent, links: 2)
        _ = try a.register(linked, on: filesystem)
      }
      try a.copyUp(
        nodes[i + 70], to: Synthetic.handle(first + 300 + UInt64(i)),
        status: FileStatus(inode: first + 300 + UInt64(i), mode: Synthetic.mode), on: filesystem)
      _ = try b.nodes(from: .root, limit: 100)
      _ = try b.nodes(from: .root, limit: 100, in: .stale)
      _ = try b.watchedNodes(from: .root, limit: 100)
      _ = try a.deletions(atMost: 100)
      _ = try a.unwatch(nodes[i], by: WatcherID(rawValue: 1))
    }
  }
}
