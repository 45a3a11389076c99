/// Drops nodes that nobody holds, in the given order. The result is how many it dropped.
struct Dropping: Change {
  let ids: [NodeID]
  let holds: Holds
  /// Whether to drop only nodes that are not live.
  var onlyStale = false
  /// Drops only nodes that entered their state at least this many seconds ago.
  var age: UInt32 = 0
  /// Stops when the store has no more than this many nodes.
  var keeping = 0
  /// Drops at most this many nodes.
  var limit = Int.max

  func apply(in turn: inout Turn, _ transaction: borrowing WriteTransaction) throws -> Int {
    let excess = try transaction.statistics(turn.tables.nodes).entries - keeping
    var dropped = 0
    for id in ids where dropped < min(excess, limit) {
      guard let record = try transaction.record(id, turn.tables),
        try mayGo(id, record, turn, transaction)
      else { continue }
      try turn.drop(id, record, transaction)
      dropped += 1
    }
    return dropped
  }

  private func mayGo(
    _ id: NodeID, _ record: Record, _ turn: Turn, _ transaction: borrowing WriteTransaction
  ) throws -> Bool {
    guard record.isOlder(than: age, at: turn.now), !(onlyStale && record.state == .live) else {
      return false
    }
    // An alias is needed as long as the node that it stands for is live.
    if record.state == .alias, let target = record.parent,
      try transaction.record(target, turn.tables)?.state == .live
    {
      return false
    }
    return try !holds.isHeld(id) && !transaction.isWatched(id, turn.tables)
  }
}

extension Record {
  /// Whether the node entered its state at least `age` seconds before `now`.
  func isOlder(than age: UInt32, at now: UInt32) -> Bool { now >= since && now - since >= age }
}
