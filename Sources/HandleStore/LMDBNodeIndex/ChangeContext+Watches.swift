extension ChangeContext {
  /// Puts a watch on a live node, or replaces its mask.
  mutating func watch(_ watch: Watch, in transaction: borrowing WriteTransaction) throws {
    guard let record = try tables.record(watch.node, in: transaction) else {
      throw StoreError.unknownNode(watch.node)
    }
    guard record.state == .live else { throw StoreError.stale(watch.node) }
    // A client that reconnects sets its watches again; then there is nothing to write.
    guard try !tables.watches(of: watch.node, in: transaction).contains(watch) else { return }
    try tables.put(watch, in: transaction)
  }

  /// Removes a watch; returns whether it was there.
  mutating func unwatch(
    _ id: NodeID, by watcher: WatcherID, in transaction: borrowing WriteTransaction
  ) throws -> Bool {
    guard try tables.removeWatch(of: id, by: watcher, in: transaction) else { return false }
    if try !tables.isWatched(id, in: transaction) {
      try tables.removeFromLimbo(id, in: transaction)
    }
    return true
  }

  /// Returns deletions that were not reported, at most `limit`, and marks them as reported, so that
  /// they are not returned again.
  mutating func takeDeletions(
    atMost limit: Int, in transaction: borrowing WriteTransaction
  ) throws -> Deletions {
    let rows = try tables.limboRows(from: .firstUnreported, atMost: limit, in: transaction)
    for row in rows {
      try tables.remove(row, in: transaction)
      try tables.put(LimboRow(row.node, isReported: true), in: transaction)
    }
    let overflowed = try tables.remove(.overflow, in: transaction)
    return Deletions(nodes: rows.map(\.node), overflowed: overflowed)
  }

  /// Puts a node that became stale into limbo, if it is watched. If limbo is then too full, its
  /// first nodes lose their watches.
  mutating func enterLimbo(_ id: NodeID, in transaction: borrowing WriteTransaction) throws {
    guard try tables.isWatched(id, in: transaction) else { return }
    try tables.put(LimboRow(id, isReported: false), in: transaction)
    while try tables.limboCount(in: transaction) > max(limboLimit, 0) {
      guard let first = try tables.limboRows(atMost: 1, in: transaction).first else { return }
      for watch in try tables.watches(of: first.node, in: transaction) {
        try tables.removeWatch(of: watch.node, by: watch.watcher, in: transaction)
      }
      try tables.remove(first, in: transaction)
      try tables.put(.overflow, in: transaction)
    }
  }
}
