extension Store {
  /// Retires a node whose file was unlinked. The node is stale from now on, for ever, and a file
  /// that gets its inode number gets another node.
  ///
  /// - Returns: whether the node was live.
  /// - Throws: ``StoreError/unknownNode(_:)``, ``StoreError/readOnly``,
  ///   ``StoreError/diskFull(path:)``, ``StoreError/damaged(_:)``, ``StoreError/closed``,
  ///   ``StoreError/forked``.
  /// - Complexity: O(log nodes), one write.
  @discardableResult
  public func retire(_ id: NodeID) throws(StoreError) -> Bool {
    try withStoreErrors {
      let wasLive = try index.retire(id, ifItIs: nil)
      if wasLive { counters.count(.retired) }
      return wasLive
    }
  }
}
