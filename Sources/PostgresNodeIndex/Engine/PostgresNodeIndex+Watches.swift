package import HandleStore

extension PostgresNodeIndex {
  package func watch(_ watch: Watch) throws {
    // Locks the row, so that the node is not retired or dropped meanwhile.
    let put = Statement(
      """
      INSERT INTO handlestore_watch (node, watcher, mask)
      SELECT id, $2, $3 FROM
        (SELECT id FROM handlestore_node WHERE id = $1 AND state = 1 FOR NO KEY UPDATE) n
      ON CONFLICT (node, watcher) DO UPDATE SET mask = excluded.mask
      RETURNING node
      """,
      [
        .integer(watch.node.signed), .integer(Int64(bitPattern: watch.watcher.rawValue)),
        .integer(Int64(watch.mask.rawValue)),
      ])
    // If the confirmation was lost, the watch tells whether there was a live node.
    let isPut =
      try writer.write([put]).map { $0[0].count > 0 } ?? watches(of: watch.node).contains(watch)
    if !isPut {
      guard try node(watch.node) != nil else { throw StoreError.unknownNode(watch.node) }
      throw StoreError.stale(watch.node)
    }
  }

  package func unwatch(_ id: NodeID, by watcher: WatcherID) throws -> Bool {
    let rows = try writer.write([
      // So that the node does not become stale, and lose its last watch elsewhere, at the same
      // time.
      Statement(
        "SELECT id FROM handlestore_node WHERE id = $1 FOR NO KEY UPDATE", [.integer(id.signed)]),
      Statement(
        "DELETE FROM handlestore_watch WHERE node = $1 AND watcher = $2 RETURNING node",
        [.integer(id.signed), .integer(Int64(bitPattern: watcher.rawValue))]),
      Statement(
        """
        DELETE FROM handlestore_limbo WHERE node = $1
          AND NOT EXISTS (SELECT FROM handlestore_watch WHERE node = $1)
        """, [.integer(id.signed)]),
    ])
    return rows.map { $0[1].count > 0 } ?? true
  }

  package func watches(of id: NodeID) throws -> [Watch] {
    try requireOpen()
    let rows = try database.read(
      Statement(
        "SELECT node, watcher, mask FROM handlestore_watch WHERE node = $1",
        [.integer(id.signed)]))
    return (0..<rows.count).compactMap { rows.watch($0) }.sorted { $0.watcher < $1.watcher }
  }

  package func watchedNodes(from start: NodeID, limit: Int) throws -> WatchedNodePage {
    try requireOpen()
    guard start.signed >= 0 else { return WatchedNodePage(nodes: [], next: nil) }
    let rows = try database.read(
      Statement(
        """
        SELECT node, 0::bigint, bit_or(mask) FROM handlestore_watch WHERE node >= $1
        GROUP BY node ORDER BY node LIMIT $2
        """, [.integer(start.signed), .integer(Int64(min(limit, Int.max - 1)) + 1)]))
    let nodes = (0..<rows.count).compactMap { rows.watch($0) }
      .map { WatchedNode(id: $0.node, mask: $0.mask) }
    return WatchedNodePage(
      nodes: Array(nodes.prefix(limit)), next: nodes.count > limit ? nodes[limit].id : nil)
  }

  package func limbo() throws -> [LimboNode] {
    try requireOpen()
    let rows = try database.read(
      Statement(
        "SELECT node, is_reported FROM handlestore_limbo ORDER BY is_reported DESC, node"))
    return (0..<rows.count).compactMap { row in
      guard let id = rows.node(row, 0), let isReported = rows.boolean(row, 1) else { return nil }
      return LimboNode(id: id, isReported: isReported)
    }
  }

  /// Two gateways that ask at the same time get different nodes.
  package func takeDeletions(limit: Int) throws -> Deletions {
    try requireOpen()
    // Most calls find none, and need no commit.
    let some = try database.read(
      Statement(
        """
        SELECT EXISTS (SELECT FROM handlestore_limbo WHERE NOT is_reported)
          OR EXISTS (SELECT FROM handlestore_store WHERE limbo_overflowed)
        """))
    let writer = try writer
    guard some.boolean(0, 0) ?? false else {
      return Deletions(nodes: [], overflowed: writer.takeLostDeletions())
    }
    let rows = try writer.write([
      Statement(
        """
        UPDATE handlestore_limbo SET is_reported = true
        WHERE node = ANY (ARRAY(
          SELECT node FROM handlestore_limbo WHERE NOT is_reported ORDER BY node LIMIT $1 FOR UPDATE))
        RETURNING node
        """, [.integer(Int64(limit))]),
      Statement(
        """
        UPDATE handlestore_store SET limbo_overflowed = false WHERE limbo_overflowed RETURNING true
        """
      ),
    ])
    // Only now: the write may throw, and then nobody would be told.
    let hasLost = writer.takeLostDeletions()
    // If the confirmation was lost, nodes may count as reported that nobody was told of.
    guard let rows else { return Deletions(nodes: [], overflowed: true) }
    let nodes = (0..<rows[0].count).compactMap { rows[0].node($0, 0) }
    return Deletions(nodes: nodes.sorted(), overflowed: hasLost || rows[1].count > 0)
  }
}

extension Rows {
  /// The watch in a row with a node, a watcher and a mask.
  func watch(_ row: Int) -> Watch? {
    guard let node = node(row, 0), let watcher = integer(row, 1), let mask = integer(row, 2) else {
      return nil
    }
    return Watch(
      node: node, watcher: WatcherID(rawValue: UInt64(bitPattern: watcher)),
      mask: WatchMask(rawValue: UInt32(truncatingIfNeeded: mask)))
  }
}
