/// Watches, and the nodes in limbo.
extension Tables {
  /// Returns the watches of a node, by watcher.
  func watches(
    of id: NodeID, in transaction: borrowing some Reading & ~Copyable
  ) throws -> [Watch] {
    var found: [Watch] = []
    try forEachWatch(from: id, in: transaction) { watch in
      guard watch.node == id else { return false }
      found.append(watch)
      return true
    }
    return found
  }

  func isWatched(
    _ id: NodeID, in transaction: borrowing some Reading & ~Copyable
  ) throws -> Bool {
    // Most stores have no watches.
    guard try transaction.statistics(watches).entries > 0 else { return false }
    var found = false
    try forEachWatch(from: id, in: transaction) { watch in
      found = watch.node == id
      return false
    }
    return found
  }

  /// Calls `body` for the watches from node `id` on, in the order of their nodes, until it returns
  /// `false`.
  func forEachWatch(
    from id: NodeID, in transaction: borrowing some Reading & ~Copyable,
    _ body: (Watch) throws -> Bool
  ) throws {
    var cursor = try Cursor(watches, in: transaction)
    var more = try cursor.seek(NumberPair(id.rawValue, 0))
    while more {
      guard cursor.keySize == Watch.keySize, cursor.valueSize == Watch.valueSize,
        let watch = Watch(key: cursor.key, value: cursor.value)
      else { throw StoreError.damaged("a watch has a wrong checksum") }
      guard try body(watch) else { return }
      more = try cursor.next()
    }
  }

  func put(_ watch: Watch, in transaction: borrowing WriteTransaction) throws {
    try transaction.put(watch.value, for: watch.key, in: watches)
  }

  @discardableResult
  func removeWatch(
    of id: NodeID, by watcher: WatcherID, in transaction: borrowing WriteTransaction
  ) throws -> Bool {
    try transaction.remove(NumberPair(id.rawValue, watcher.rawValue), from: watches)
  }
}

// MARK: Limbo

extension Tables {
  func has(
    _ row: LimboRow, in transaction: borrowing some Reading & ~Copyable
  ) throws -> Bool {
    var value: UInt64 = 0
    guard try transaction.get(row.number, from: limbo, into: &value) != nil else { return false }
    try row.require(value)
    return true
  }

  /// Returns the number of nodes in limbo.
  func limboCount(in transaction: borrowing some Reading & ~Copyable) throws -> Int {
    try transaction.statistics(limbo).entries - (has(.overflow, in: transaction) ? 1 : 0)
  }

  /// Returns up to `limit` rows of nodes, starting at `row`.
  func limboRows(
    from row: LimboRow = LimboRow(number: 1), atMost limit: Int,
    in transaction: borrowing some Reading & ~Copyable
  ) throws -> [LimboRow] {
    var cursor = try Cursor(limbo, in: transaction)
    var more = try cursor.seek(row.number)
    var rows: [LimboRow] = []
    while more && rows.count < limit {
      let row = LimboRow(number: cursor.key)
      try row.require(cursor.value)
      rows.append(row)
      more = try cursor.next()
    }
    return rows
  }

  func put(_ row: LimboRow, in transaction: borrowing WriteTransaction) throws {
    try transaction.put(row.value, for: row.number, in: limbo)
  }

  @discardableResult
  func remove(_ row: LimboRow, in transaction: borrowing WriteTransaction) throws -> Bool {
    try transaction.remove(row.number, from: limbo)
  }

  /// Takes a node out of limbo.
  func removeFromLimbo(_ id: NodeID, in transaction: borrowing WriteTransaction) throws {
    try remove(LimboRow(id, isReported: true), in: transaction)
    try remove(LimboRow(id, isReported: false), in: transaction)
  }
}

extension LimboRow {
  fileprivate func require(_ value: UInt64) throws {
    guard value == self.value else {
      throw StoreError.damaged("a row of the table `limbo` has a wrong checksum")
    }
  }
}
