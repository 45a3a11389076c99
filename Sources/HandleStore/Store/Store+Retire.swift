extension Store {
  /// Retires a node: its file was unlinked. It answers stale from now on, for ever, and a file that
  /// gets its inode number has another node.
  ///
  /// - Returns: whether the node was live.
  /// - Throws: ``StoreError/unknownNode(_:)``, ``StoreError/readOnly``,
  ///   ``StoreError/diskFull(path:)``, ``StoreError/damaged(_:)``, ``StoreError/closed``,
  ///   ``StoreError/forked``.
  /// - Complexity: O(log nodes), one commit.
  @discardableResult
  public func retire(_ id: NodeID) throws(StoreError) -> Bool {
    try guarded {
      let wasLive = try changing().perform(Retiring(id: id))
      if wasLive { counters.count(.retired) }
      return wasLive
    }
  }

  /// Drops a node that nobody needs any more, if ``StoreOptions/retention`` allows it. Its id is never
  /// used again; a live file is given a new node when it is registered the next time.
  ///
  /// - Returns: whether the node was dropped.
  /// - Throws: what ``retire(_:)`` throws, but for an unknown node, which is not dropped again.
  /// - Complexity: O(log nodes), a commit where it is dropped.
  @discardableResult
  public func forget(_ id: NodeID) throws(StoreError) -> Bool {
    switch options.retention {
    case .forever: return try guarded { false }
    case .seconds(let age):
      return try drop([id]) { record, now in record.isOlder(than: age, at: now) } == 1
    case .nodes(let limit):
      let count = try guarded { try read().statistics(tables.nodes).entries }
      return try count <= limit ? false : drop([id]) { _, _ in true } == 1
    }
  }

  /// Drops stale nodes, and aliases of such, as far as a retention allows it. Live nodes stay.
  ///
  /// - Returns: how many were dropped.
  /// - Throws: what ``retire(_:)`` throws; what was dropped before that stays dropped.
  /// - Complexity: O(nodes), a commit for each thousand dropped.
  @discardableResult
  public func prune(_ retention: Retention) throws(StoreError) -> Int {
    switch retention {
    case .forever: return try guarded { 0 }
    case .seconds(let age):
      return try pruneStale(atMost: .max) { $0.isOlder(than: age, at: $1) }
    case .nodes(let limit):
      var stale = 0
      try forEachStale { stale += $0.count }
      return try pruneStale(atMost: stale - max(limit, 0)) { _, _ in true }
    }
  }

  private func pruneStale(
    atMost limit: Int, _ allows: @escaping @Sendable (Record, UInt32) -> Bool
  ) throws(StoreError) -> Int {
    var dropped = 0
    try forEachStale { (nodes) throws(StoreError) in
      guard dropped < limit else { return }
      dropped += try drop(nodes.prefix(limit - dropped).map(\.id)) { record, now in
        record.state != .live && allows(record, now)
      }
    }
    return dropped
  }

  private func forEachStale(_ body: ([Node]) throws(StoreError) -> Void) throws(StoreError) {
    var next: NodeID? = .root
    while let start = next {
      let page = try nodes(from: start)
      var stale: [Node] = []
      for node in page.nodes where try isStale(node) { stale.append(node) }
      try body(stale)
      next = page.next
    }
  }

  /// Whether nobody can ask for a node's file any more; an alias goes with the node that it stands for.
  private func isStale(_ node: Node) throws(StoreError) -> Bool {
    switch node.state {
    case .live: return false
    case .stale: return true
    case .alias:
      guard let target = node.parent else { return true }
      return try self.node(target)?.state != .live
    }
  }

  private func drop(
    _ ids: [NodeID], _ allows: @escaping @Sendable (Record, UInt32) -> Bool
  ) throws(StoreError) -> Int {
    try guarded {
      guard !ids.isEmpty else { return 0 }
      let dropped = try changing().perform(Dropping(ids: ids, allows: allows))
      counters.count(.dropped, UInt64(dropped))
      return dropped
    }
  }
}

extension Record {
  /// Whether the node entered its state at least `age` seconds before `now`.
  func isOlder(than age: UInt32, at now: UInt32) -> Bool { now >= since && now - since >= age }
}
