/// Reads the tables `watches` and `limbo`.
extension Reading where Self: ~Copyable {
  /// Returns the watches of a node, by watcher.
  func watches(of id: NodeID, _ tables: Tables) throws -> [Watch] {
    var watches: [Watch] = []
    try forEachWatch(from: id, tables) { watch in
      guard watch.node == id else { return false }
      watches.append(watch)
      return true
    }
    return watches
  }

  func isWatched(_ id: NodeID, _ tables: Tables) throws -> Bool {
    // Most stores have no watches.
    guard try statistics(tables.watches).entries > 0 else { return false }
    var found = false
    try forEachWatch(from: id, tables) { watch in
      found = watch.node == id
      return false
    }
    return found
  }

  /// Calls `body` for the watches from node `id` on, in the order of their nodes, until it returns
  /// `false`.
  func forEachWatch(
    from id: NodeID, _ tables: Tables, _ body: (Watch) throws -> Bool
  ) throws {
    var cursor = try cursor(tables.watches)
    let first = Watch.key(id, WatcherID(rawValue: 0))
    var more = try cursor.seek(first.span, Watch.keySize)
    while more, try body(cursor.watch()) { more = try cursor.next() }
  }

  // MARK: Limbo

  func has(_ row: LimboRow, _ tables: Tables) throws -> Bool {
    let key: InlineArray<1, UInt64> = [row.number]
    var value: InlineArray<1, UInt64> = [0]
    var words = value.mutableSpan
    guard try get(tables.limbo, key.span, 8, into: &words) != nil else { return false }
    try row.require(value[0])
    return true
  }

  /// Returns the number of nodes in limbo.
  func limboCount(_ tables: Tables) throws -> Int {
    try statistics(tables.limbo).entries - (has(.overflow, tables) ? 1 : 0)
  }

  /// Returns up to `limit` rows of nodes, starting at `row`.
  func limbo(
    from row: LimboRow = LimboRow(number: 1), atMost limit: Int, _ tables: Tables
  ) throws -> [LimboRow] {
    var cursor = try cursor(tables.limbo)
    let first: InlineArray<1, UInt64> = [row.number]
    var more = try cursor.seek(first.span, 8)
    var rows: [LimboRow] = []
    while more && rows.count < limit {
      rows.append(try cursor.limboRow())
      more = try cursor.next()
    }
    return rows
  }
}

extension Cursor {
  /// Returns the entry of the table `watches` at the cursor.
  fileprivate func watch() throws -> Watch {
    var key: InlineArray<2, UInt64> = [0, 0]
    var value: InlineArray<1, UInt64> = [0]
    var keyWords = key.mutableSpan
    var words = value.mutableSpan
    guard copyKey(into: &keyWords) == Watch.keySize, copyValue(into: &words) == Watch.valueSize,
      let watch = Watch(key: (key[0], key[1]), value: value[0])
    else { throw StoreError.damaged("a watch has a wrong checksum") }
    return watch
  }

  /// Returns the entry of the table `limbo` at the cursor.
  fileprivate func limboRow() throws -> LimboRow {
    var key: InlineArray<1, UInt64> = [0]
    var value: InlineArray<1, UInt64> = [0]
    var keyWords = key.mutableSpan
    var words = value.mutableSpan
    _ = copyKey(into: &keyWords)
    _ = copyValue(into: &words)
    let row = LimboRow(number: key[0])
    try row.require(value[0])
    return row
  }
}

extension LimboRow {
  fileprivate func require(_ value: UInt64) throws {
    guard value == self.value else {
      throw StoreError.damaged("a row of the table `limbo` has a wrong checksum")
    }
  }
}

extension WriteTransaction {
  func put(_ watch: Watch, _ tables: Tables) throws {
    let key = Watch.key(watch.node, watch.watcher)
    let value: InlineArray<1, UInt64> = [watch.value]
    try put(tables.watches, key.span, Watch.keySize, value.span, Watch.valueSize)
  }

  @discardableResult
  func removeWatch(_ id: NodeID, _ watcher: WatcherID, _ tables: Tables) throws -> Bool {
    let key = Watch.key(id, watcher)
    return try remove(tables.watches, key.span, Watch.keySize)
  }

  func put(_ row: LimboRow, _ tables: Tables) throws {
    let key: InlineArray<1, UInt64> = [row.number]
    let value: InlineArray<1, UInt64> = [row.value]
    try put(tables.limbo, key.span, 8, value.span, 8)
  }

  @discardableResult
  func remove(_ row: LimboRow, _ tables: Tables) throws -> Bool {
    let key: InlineArray<1, UInt64> = [row.number]
    return try remove(tables.limbo, key.span, 8)
  }

  func leaveLimbo(_ id: NodeID, _ tables: Tables) throws {
    try remove(LimboRow(id, isReported: true), tables)
    try remove(LimboRow(id, isReported: false), tables)
  }
}
