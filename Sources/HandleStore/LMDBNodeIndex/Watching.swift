/// Puts a watch on a live node, or replaces its mask.
struct Watching: Change {
  let watch: Watch

  func apply(in context: inout ChangeContext, _ transaction: borrowing WriteTransaction) throws {
    let record = try context.tables.record(watch.node, in: transaction)
    guard let record else { throw StoreError.unknownNode(watch.node) }
    guard record.state == .live else { throw StoreError.stale(watch.node) }
    // A client that reconnects sets its watches again; then there is nothing to write.
    guard try !context.tables.watches(of: watch.node, in: transaction).contains(watch) else {
      return
    }
    try context.tables.put(watch, in: transaction)
  }
}

/// Removes a watch; returns whether it was there.
struct Unwatching: Change {
  let node: NodeID
  let watcher: WatcherID

  func apply(in context: inout ChangeContext, _ transaction: borrowing WriteTransaction) throws
    -> Bool
  {
    guard try context.tables.removeWatch(of: node, by: watcher, in: transaction) else {
      return false
    }
    if try !context.tables.isWatched(node, in: transaction) {
      try context.tables.removeFromLimbo(node, in: transaction)
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
    let rows = try context.tables.limboRows(from: .firstWaiting, atMost: limit, in: transaction)
    for row in rows {
      try context.tables.remove(row, in: transaction)
      try context.tables.put(LimboRow(row.node, isReported: true), in: transaction)
    }
    let overflowed = try context.tables.remove(.overflow, in: transaction)
    return Deletions(nodes: rows.map(\.node), overflowed: overflowed)
  }
}

extension ChangeContext {
  /// Puts a node that became stale into limbo, if it is watched. If limbo is then too full, its
  /// first nodes lose their watches.
  func enterLimbo(_ id: NodeID, _ transaction: borrowing WriteTransaction) throws {
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
