extension Store {
  /// Drops a node that its server no longer needs, if ``StoreOptions/retention`` allows it and
  /// nobody holds the node. A live node with aliases (``aliases(of:)``) stays, and so does each node of
  /// a store that several processes share: ``evict()`` asks them for many nodes at once. The id is never
  /// used again. A live file gets a new node when it is registered the next time.
  ///
  /// - Returns: whether the node was dropped.
  /// - Throws: ``StoreError/readOnly``, ``StoreError/diskFull(path:)``, ``StoreError/damaged(_:)``,
  ///   ``StoreError/closed``, ``StoreError/forked``.
  /// - Complexity: O(log nodes), and a write if the node may be dropped.
  @discardableResult
  public func forget(_ id: NodeID) throws(StoreError) -> Bool {
    switch options.retention {
    case .forever: return try withStoreErrors { false }
    case _ where index.isShared: return try withStoreErrors { false }
    case .seconds(let age):
      guard !holds.isHeld(id),
        try node(id)?.isOlder(than: age, at: SystemCalls.epochSeconds) ?? false
      else { return false }
      return try drop(Dropping(ids: [id], isHeld: isHeld, age: age)) == 1
    case .nodes(let limit):
      guard !holds.isHeld(id), try count() > limit else { return false }
      return try drop(Dropping(ids: [id], isHeld: isHeld, leaving: max(limit, 0))) == 1
    }
  }

  /// Drops nodes that nobody holds, as far as ``StoreOptions/retention`` allows it: stale ones, and
  /// live ones without aliases. Under ``Retention/nodes(_:)`` it drops the lowest ids first, until so
  /// many nodes are left or the rest are held. Then it gives back what files of pins take for ids
  /// that have no node any more. Call this now and then.
  ///
  /// In a store that several processes share, it waits until all of them have said which of the nodes they
  /// hold, each time for a few thousand nodes: about a fifth of a lease, at most two leases and a second.
  /// The first call, and also ``evict(stale:)`` with any retention, says that the process has taken up all
  /// pins of its predecessor. The files of pins give nothing back.
  ///
  /// - Returns: how many were dropped.
  /// - Throws: what ``forget(_:)`` throws, and ``StoreError/system(_:_:)`` with `EBUSY` if one of the
  ///   processes that share the store does not answer; what was dropped before that stays dropped.
  /// - Complexity: O(1) if there are few enough nodes; otherwise O(nodes up to the last one
  ///   dropped), a write for each thousand dropped, and O(512) for each 512 ids for which a file of
  ///   pins takes memory.
  @discardableResult
  public func evict() throws(StoreError) -> Int {
    holds.setComplete()
    let dropped = try evictByRetention()
    // In a shared store, another process may give out ids between those that have nodes.
    if dropped > 0 && !index.isShared { try shrinkPins() }
    return dropped
  }

  private func evictByRetention() throws(StoreError) -> Int {
    switch options.retention {
    case .forever: return try withStoreErrors { 0 }
    case .seconds(let age):
      let now = SystemCalls.epochSeconds
      return try dropEach(where: { $0.isOlder(than: age, at: now) }) { ids, _ in
        Dropping(ids: ids, isHeld: isHeld, age: age)
      }
    case .nodes(let limit):
      let excess = try count() - max(limit, 0)
      return try dropEach(where: { _ in true }, atMost: excess) { ids, _ in
        Dropping(ids: ids, isHeld: isHeld, leaving: max(limit, 0))
      }
    }
  }

  /// Drops stale nodes that nobody holds, as far as `retention` allows it. Live nodes stay.
  /// ``Retention/nodes(_:)`` here counts only stale nodes; the lowest ids are dropped first.
  ///
  /// - Returns: how many were dropped.
  /// - Throws: what ``evict()`` throws; what was dropped before that stays dropped.
  /// - Complexity: O(nodes), and a write for each thousand dropped.
  @discardableResult
  public func evict(stale retention: Retention) throws(StoreError) -> Int {
    holds.setComplete()
    switch retention {
    case .forever: return try withStoreErrors { 0 }
    case .seconds(let age):
      let now = SystemCalls.epochSeconds
      return try dropEach(in: .stale, where: { $0.isOlder(than: age, at: now) }) { ids, _ in
        Dropping(ids: ids, isHeld: isHeld, onlyStale: true, age: age)
      }
    case .nodes(let limit):
      var stale = 0
      try forEachPage(in: .stale) { nodes throws(StoreError) in
        stale += nodes.count
        return true
      }
      return try dropEach(in: .stale, where: { _ in true }, atMost: stale - max(limit, 0)) {
        Dropping(ids: $0, isHeld: isHeld, onlyStale: true, limit: $1)
      }
    }
  }

  // MARK: Pins

  /// Gives back what pins take for ids whose nodes were dropped. Ids above the highest node may get
  /// nodes at any time.
  private func shrinkPins() throws(StoreError) {
    try withStoreErrors {
      for pins in holds.pins {
        var next = NodeID(rawValue: 0)
        try pins.giveBack { ids in
          if next.rawValue < ids.lowerBound {
            let found = try index.nodes(
              from: NodeID(rawValue: ids.lowerBound), limit: 1, on: nil, in: nil)
            guard let node = found.nodes.first else { return false }
            next = node.id
          }
          return next.rawValue >= ids.upperBound
        }
      }
    }
  }

  // MARK: Page by page

  /// Drops at most `limit` nodes, a page of nodes (in a shared store, several pages) in each transaction.
  /// `change` makes the change from some ids and from how many nodes may still go.
  private func dropEach(
    in state: NodeState? = nil, where wanted: (Node) -> Bool, atMost limit: Int = .max,
    _ change: ([NodeID], Int) -> Dropping
  ) throws(StoreError) -> Int {
    var dropped = 0
    var ids: [NodeID] = []
    guard limit > 0 else { return try withStoreErrors { 0 } }
    try forEachPage(in: state) { nodes throws(StoreError) in
      ids += nodes.filter { wanted($0) && !holds.isHeld($0.id) }.map(\.id)
      guard !index.isShared || ids.count >= Self.mostAsked(for: limit - dropped) else {
        return true
      }
      dropped += try drop(change(ids, limit - dropped))
      ids = []
      return dropped < limit
    }
    if !ids.isEmpty { dropped += try drop(change(ids, limit - dropped)) }
    return dropped
  }

  /// For how many nodes the other processes are asked at once, when so many may go: each time they take a
  /// while to answer, and they may hold some.
  private static func mostAsked(for count: Int) -> Int { min(max(count, 512), 8192) * 2 }

  private func forEachPage(
    in state: NodeState?, _ body: ([Node]) throws(StoreError) -> Bool
  ) throws(StoreError) {
    var next: NodeID? = .root
    while let start = next {
      let page = try nodes(from: start, in: state)
      guard try body(page.nodes) else { return }
      next = page.next
    }
  }

  private func count() throws(StoreError) -> Int {
    try withStoreErrors { try index.count() }
  }

  /// Drops nodes that nobody holds, whatever the retention.
  ///
  /// - Returns: whether the store has none of them any more.
  func dropUnheld(_ ids: [NodeID]) throws(StoreError) -> Bool {
    let dropped = try drop(Dropping(ids: ids, isHeld: isHeld))
    if dropped == ids.count { return true }
    return try withStoreErrors { try ids.allSatisfy { try find($0) == nil } }
  }

  private var isHeld: @Sendable (NodeID) -> Bool { { [holds] in holds.isHeld($0) } }

  private func drop(_ change: Dropping) throws(StoreError) -> Int {
    try withStoreErrors {
      guard !change.ids.isEmpty else { return 0 }
      try requireWriting()
      let change = try index.agreement(on: change)
      let eviction = holds.beginEviction(of: change.ids)
      defer { holds.end(eviction) }
      let dropped = try index.drop(change)
      counters.count(.dropped, UInt64(dropped))
      return dropped
    }
  }
}
