extension Store {
  /// Drops a node that its server needs no more, if ``StoreOptions/retention`` allows it and nobody
  /// holds it. Its id is never used again; a live file is given a new node when it is registered the
  /// next time.
  ///
  /// - Returns: whether the node was dropped.
  /// - Throws: ``StoreError/readOnly``, ``StoreError/diskFull(path:)``, ``StoreError/damaged(_:)``,
  ///   ``StoreError/closed``, ``StoreError/forked``.
  /// - Complexity: O(log nodes), a commit where it may be dropped.
  @discardableResult
  public func forget(_ id: NodeID) throws(StoreError) -> Bool {
    switch options.retention {
    case .forever: return try guarded { false }
    case .seconds(let age):
      guard !holds.isHeld(id), try node(id)?.isOlder(than: age) ?? false else { return false }
      return try drop(Dropping(ids: [id], holds: holds, age: age)) == 1
    case .nodes(let limit):
      guard !holds.isHeld(id), try count() > limit else { return false }
      return try drop(Dropping(ids: [id], holds: holds, keeping: max(limit, 0))) == 1
    }
  }

  /// Drops every node that nobody holds, live ones too, as far as ``StoreOptions/retention`` allows it:
  /// under ``Retention/nodes(_:)`` the lowest ids first, until no more are left than that, or all that
  /// are left are held. To be called now and then.
  ///
  /// - Returns: how many were dropped.
  /// - Throws: what ``forget(_:)`` throws; what was dropped before that stays dropped.
  /// - Complexity: O(1) where there are few enough nodes; else O(nodes up to the last one dropped), a
  ///   commit for each thousand dropped.
  @discardableResult
  public func evict() throws(StoreError) -> Int {
    switch options.retention {
    case .forever: return try guarded { 0 }
    case .seconds(let age):
      return try dropEach(where: { $0.isOlder(than: age) }) { ids, _ in
        Dropping(ids: ids, holds: holds, age: age)
      }
    case .nodes(let limit):
      let excess = try count() - max(limit, 0)
      return try dropEach(where: { _ in true }, atMost: excess) { ids, _ in
        Dropping(ids: ids, holds: holds, keeping: max(limit, 0))
      }
    }
  }

  /// Drops stale nodes that nobody holds, and aliases of such, as far as a retention allows it, which
  /// under ``Retention/nodes(_:)`` counts these only and takes the lowest ids. Live nodes stay.
  ///
  /// - Returns: how many were dropped.
  /// - Throws: what ``forget(_:)`` throws; what was dropped before that stays dropped.
  /// - Complexity: O(nodes), a commit for each thousand dropped.
  @discardableResult
  public func prune(_ retention: Retention) throws(StoreError) -> Int {
    switch retention {
    case .forever: return try guarded { 0 }
    case .seconds(let age):
      return try dropEach(where: { $0.state != .live && $0.isOlder(than: age) }) { ids, _ in
        Dropping(ids: ids, holds: holds, onlyStale: true, age: age)
      }
    case .nodes(let limit):
      var stale = 0
      try forEachPage { nodes throws(StoreError) in
        for node in nodes where try isStale(node) { stale += 1 }
        return true
      }
      return try dropEach(where: { $0.state != .live }, atMost: stale - max(limit, 0)) {
        Dropping(ids: $0, holds: holds, onlyStale: true, limit: $1)
      }
    }
  }

  // MARK: Page by page

  /// Drops `limit` nodes at the most, a page in a transaction that is made of the ids of a page and of
  /// how many may still go.
  private func dropEach(
    where wanted: (Node) -> Bool, atMost limit: Int = .max,
    _ change: ([NodeID], Int) -> Dropping
  ) throws(StoreError) -> Int {
    var dropped = 0
    guard limit > 0 else { return try guarded { 0 } }
    try forEachPage { nodes throws(StoreError) in
      let ids = nodes.filter { wanted($0) && !holds.isHeld($0.id) }.map(\.id)
      dropped += try drop(change(ids, limit - dropped))
      return dropped < limit
    }
    return dropped
  }

  private func forEachPage(_ body: ([Node]) throws(StoreError) -> Bool) throws(StoreError) {
    var next: NodeID? = .root
    while let start = next {
      let page = try nodes(from: start)
      guard try body(page.nodes) else { return }
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

  private func count() throws(StoreError) -> Int {
    try guarded { try read().statistics(tables.nodes).entries }
  }

  private func drop(_ change: Dropping) throws(StoreError) -> Int {
    try guarded {
      guard !change.ids.isEmpty else { return 0 }
      let writer = try changing()
      let eviction = holds.beginEviction(of: change.ids)
      defer { holds.end(eviction) }
      let dropped = try writer.perform(change)
      counters.count(.dropped, UInt64(dropped))
      return dropped
    }
  }
}

extension Node {
  /// Whether it entered its state at least `age` seconds ago.
  fileprivate func isOlder(than age: UInt32) -> Bool {
    let now = SystemCalls.epochSeconds
    return now >= since && now - since >= age
  }
}
