internal import SystemPackage

extension Store {
  /// Watches a node for a client; replaces the client's watch of that node, if any. Watches survive
  /// a restart or a kill of the server. A watched node is not dropped, even if it is stale: it is
  /// then in limbo until its last watch ends.
  ///
  /// The store itself looks only for the deletion of files (``sweep(from:limit:)``). For everything
  /// else, the masks tell the server which files to watch at the filesystem, and for which events
  /// (``watchedNodes(from:limit:)``).
  ///
  /// - Parameters:
  ///   - id: a live node.
  ///   - mask: the events to watch for; not empty.
  ///   - watcher: the client.
  /// - Throws: ``StoreError/unknownNode(_:)``, ``StoreError/stale(_:)``,
  ///   ``StoreError/badValue(_:)`` for an empty mask, ``StoreError/readOnly``,
  ///   ``StoreError/diskFull(path:)``, ``StoreError/damaged(_:)``, ``StoreError/closed``,
  ///   ``StoreError/forked``.
  /// - Complexity: O(log watches + watchers of the node), one write. Any thread.
  public func watch(
    _ id: NodeID, mask: WatchMask, by watcher: WatcherID
  ) throws(StoreError) {
    try withStoreErrors {
      guard !mask.isEmpty else {
        throw StoreError.badValue("a watch of node \(id) needs events; name at least one")
      }
      try index.watch(Watch(node: id, watcher: watcher, mask: mask))
    }
  }

  /// Ends a watch. When a stale node loses its last watch, it leaves limbo and may be dropped.
  ///
  /// - Returns: whether the client watched the node.
  /// - Throws: ``StoreError/readOnly``, ``StoreError/diskFull(path:)``, ``StoreError/damaged(_:)``,
  ///   ``StoreError/closed``, ``StoreError/forked``.
  /// - Complexity: O(log watches), one write. Any thread.
  @discardableResult
  public func unwatch(_ id: NodeID, by watcher: WatcherID) throws(StoreError) -> Bool {
    try withStoreErrors { try index.unwatch(id, by: watcher) }
  }

  /// Returns the watches of a node, by watcher; empty if the node does not exist.
  ///
  /// - Throws: ``StoreError/damaged(_:)``, ``StoreError/closed``, ``StoreError/forked``.
  /// - Complexity: O(log watches + watchers of the node). Any thread.
  public func watches(of id: NodeID) throws(StoreError) -> [Watch] {
    try withStoreErrors { try index.watches(of: id) }
  }

  /// Returns the union of the masks of a node's watchers; empty if it has none.
  ///
  /// - Throws: ``StoreError/damaged(_:)``, ``StoreError/closed``, ``StoreError/forked``.
  /// - Complexity: O(log watches + watchers of the node). Any thread.
  public func watchMask(of id: NodeID) throws(StoreError) -> WatchMask {
    try withStoreErrors { try index.watches(of: id).reduce(into: []) { $0.formUnion($1.mask) } }
  }

  /// Returns up to `limit` watched nodes, live and stale ones, in the order of their ids, from one
  /// snapshot. After a restart a server goes through them to watch their files again.
  ///
  /// - Parameters:
  ///   - start: the lowest id to consider.
  ///   - limit: the maximum number of nodes to return, 1 or more.
  /// - Returns: the nodes, and the id at which to continue; `nil` at the end.
  /// - Throws: ``StoreError/badValue(_:)`` for a limit below 1, ``StoreError/damaged(_:)``,
  ///   ``StoreError/closed``, ``StoreError/forked``.
  /// - Complexity: O(log watches + watches of these nodes). Any thread.
  public func watchedNodes(
    from start: NodeID = .root, limit: Int = 1024
  ) throws(StoreError) -> WatchedNodePage {
    try withStoreErrors {
      try Self.requireLimit(limit)
      return try index.watchedNodes(from: start, limit: limit)
    }
  }

  /// Returns the events that the nodes with ids from `first` to `last` are watched for.
  package func watchMasks(
    from first: NodeID, to last: NodeID
  ) throws(StoreError) -> [NodeID: WatchMask] {
    var found: [NodeID: WatchMask] = [:]
    var next: NodeID? = first
    while let start = next, start <= last {
      let page = try watchedNodes(from: start)
      for node in page.nodes where node.id <= last { found[node.id] = node.mask }
      next = page.next
    }
    return found
  }
}
