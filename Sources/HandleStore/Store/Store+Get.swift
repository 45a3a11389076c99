internal import SystemPackage

extension Store {
  /// Returns what the store knows of a node, live or stale.
  ///
  /// - Returns: `nil` if no node has the id.
  /// - Throws: ``StoreError/damaged(_:)``, ``StoreError/closed``, ``StoreError/forked``.
  /// - Complexity: O(1) from the cache, O(log nodes) from LMDB.
  public func node(_ id: NodeID) throws(StoreError) -> Node? {
    try guarded { try find(id) }
  }

  @inline(__always)
  func find(_ id: NodeID) throws -> Node? {
    guard let cache else { return try load(id) }
    let (cached, ticket) = cache.find(id)
    if let cached {
      if let node = Node(id, cached) { return node }
      return try load(id)
    }
    return try load(id) { cache.insert(id, $0, ticket) }
  }

  private func load(_ id: NodeID, seen: (Record) -> Void = { _ in }) throws -> Node? {
    counters.count(.gets)
    let transaction = try read()
    guard let record = try transaction.record(id, tables) else { return nil }
    seen(record)
    return try transaction.node(id, record, tables)
  }

  /// Returns the live node of the file that a handle names, or named before the file was copied up.
  ///
  /// - Returns: `nil` if the store has no such node, or only one of another generation.
  /// - Throws: ``StoreError/unknownFilesystem(_:)``, ``StoreError/damaged(_:)``,
  ///   ``StoreError/closed``, ``StoreError/forked``.
  /// - Complexity: O(log nodes)
  public func node(
    of handle: KernelFileHandle, on filesystem: FilesystemID
  ) throws(StoreError) -> Node? {
    try guarded {
      let node = try find(handle, on: filesystem)
      return node?.state == .live ? node : nil
    }
  }

  /// Returns the node of the file that a handle names. If the file was copied up, this is the node
  /// that has it now, live or not, or the alias if that node was dropped.
  func find(_ handle: KernelFileHandle, on filesystem: FilesystemID) throws -> Node? {
    let magic = try filesystems.magic(filesystem)
    let entry = IndexEntry(handle, on: filesystem, magic: magic)
    let transaction = try read()
    guard let id = try transaction.indexed(entry.key, tables)?.node else { return nil }
    guard let record = try transaction.record(id, tables) else {
      throw StoreError.damaged("the index names node \(id), which does not exist")
    }
    guard
      try transaction.isSameFile(handle, entry, as: record, id, tables, magic: magic)
    else { return nil }
    guard record.state == .alias, let target = record.parent,
      let own = try transaction.record(target, tables)
    else { return try transaction.node(id, record, tables) }
    return try transaction.node(target, own, tables)
  }

  /// Returns up to `limit` nodes in the order of their ids, from one snapshot.
  ///
  /// To walk a whole store, call this again from the id in `next`. Each call reads a snapshot of
  /// its own. A node that is minted meanwhile comes later, because its id is above all others.
  ///
  /// - Parameters:
  ///   - start: the lowest id to consider.
  ///   - limit: how many nodes to return at most, 1 or more.
  ///   - filesystem: only nodes on this one.
  ///   - state: only nodes in this state.
  /// - Returns: the nodes, and the id to continue from, which is `nil` at the end. Before the end
  ///   there may be fewer than `limit` nodes, or none, because a call looks at no more than 16 ×
  ///   `limit` nodes.
  /// - Throws: ``StoreError/badValue(_:)`` for a limit below 1, ``StoreError/damaged(_:)``,
  ///   ``StoreError/closed``, ``StoreError/forked``.
  /// - Complexity: O(`limit` + log nodes)
  public func nodes(
    from start: NodeID = .root, limit: Int = 1024, on filesystem: FilesystemID? = nil,
    in state: NodeState? = nil
  ) throws(StoreError) -> (nodes: [Node], next: NodeID?) {
    try guarded {
      try Self.requireLimit(limit)
      let most = limit.multipliedReportingOverflow(by: 16)
      var found: [Node] = []
      let transaction = try read()
      var cursor = try transaction.cursor(tables.nodes)
      let first: InlineArray<1, UInt64> = [start.rawValue]
      var more = try cursor.seek(first.span, 8)
      var looked = 0
      var last: NodeID?
      while more {
        let (id, record) = try cursor.node()
        // Ids must grow. Otherwise a caller that continues from here could loop for ever.
        guard last.map({ $0 < id }) ?? (id >= start) else { throw LMDBError.corrupted }
        last = id
        if found.count == limit || looked == (most.overflow ? .max : most.partialValue) {
          return (found, id)
        }
        looked += 1
        if filesystem ?? record.filesystem == record.filesystem
          && state ?? record.state == record.state
        {
          found.append(try transaction.node(id, record, tables))
        }
        more = try cursor.next()
      }
      return (found, nil)
    }
  }

  /// Refuses a limit below 1, with which a caller would never reach the end of a list.
  static func requireLimit(_ limit: Int) throws {
    guard limit > 0 else {
      throw StoreError.badValue("a limit of \(limit) is too low; name 1 or more")
    }
  }

  /// What the store has done since it was opened.
  ///
  /// - Complexity: O(1)
  public var statistics: Statistics { counters.snapshot(cacheHits: cache?.hits ?? 0) }
}

extension Cursor {
  /// Returns the row of the table `nodes` that the cursor is at.
  func node() throws -> (NodeID, Record) {
    var key: InlineArray<1, UInt64> = [0]
    var keyWords = key.mutableSpan
    _ = copyKey(into: &keyWords)
    let id = NodeID(rawValue: key[0])
    var record = Record()
    var words = record.words.mutableSpan
    guard copyValue(into: &words) == Record.size, record.isIntact(for: id) else {
      throw StoreError.damaged("the record of node \(id) has a wrong checksum")
    }
    return (id, record)
  }
}
