/// Puts a watch on a live node, or replaces its mask.
struct Watching: Change {
  let watch: Watch

  func apply(in context: inout ChangeContext, _ transaction: borrowing WriteTransaction) throws {
    let record = try transaction.record(watch.node, context.tables)
    guard let record, record.state != .alias else { throw StoreError.unknownNode(watch.node) }
    guard record.state == .live else { throw StoreError.stale(watch.node) }
    // A client that reconnects sets its watches again; then there is nothing to write.
    guard try !transaction.watches(of: watch.node, context.tables).contains(watch) else { return }
    try transaction.put(watch, context.tables)
  }
}

/// Removes a watch; returns whether it was there.
struct Unwatching: Change {
  let node: NodeID
  let watcher: WatcherID

  func apply(in context: inout ChangeContext, _ transaction: borrowing WriteTransaction) throws
    -> Bool
  {
    guard try transaction.removeWatch(node, watcher, context.tables) else { return false }
    if try !transaction.isWatched(node, context.tables) {
      try transaction.leaveLimbo(node, context.tables)
    }
    return true
  }
}

/// Marks the waiting deletions as reported and returns them; they are not returned again.
struct TakingDeletions: Change {
  let limit: Int

  func apply(
    in context: inout ChangeContext, _ transaction: borrowing WriteTransaction
  ) throws -> Deletions {
    let rows = try transaction.limbo(from: .firstWaiting, atMost: limit, context.tables)
    for row in rows {
      try transaction.remove(row, context.tables)
      try transaction.put(LimboRow(row.node, isReported: true), context.tables)
    }
    let overflowed = try transaction.remove(.overflow, context.tables)
    return Deletions(nodes: rows.map(\.node), overflowed: overflowed)
  }
}

extension ChangeContext {
  /// Puts a node that became stale into limbo, if it is watched. If limbo is then too full, its
  /// first nodes lose their watches.
  func enterLimbo(_ id: NodeID, _ transaction: borrowing WriteTransaction) throws {
    guard try transaction.isWatched(id, tables) else { return }
    try transaction.put(LimboRow(id, isReported: false), tables)
    while try transaction.limboCount(tables) > max(limboLimit, 0) {
      guard let first = try transaction.limbo(atMost: 1, tables).first else { return }
      for watch in try transaction.watches(of: first.node, tables) {
        try transaction.removeWatch(watch.node, watch.watcher, tables)
      }
      try transaction.remove(first, tables)
      try transaction.put(.overflow, tables)
    }
  }
}
