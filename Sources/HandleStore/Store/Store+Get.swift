internal import SystemPackage

extension Store {
  /// Returns what the store knows of a node, live or stale.
  ///
  /// - Returns: `nil` if no node has the id.
  /// - Throws: ``StoreError/damaged(_:)``, ``StoreError/closed``, ``StoreError/forked``.
  /// - Complexity: O(1) from the cache, O(log nodes) otherwise.
  public func node(_ id: NodeID) throws(StoreError) -> Node? {
    try withStoreErrors { try find(id) }
  }

  /// Returns the record of a node if it is in memory and has the node's handle.
  ///
  /// - Returns: `nil` for any other node, and if the store is closed or was opened before a fork:
  ///   ``node(_:)`` tells.
  /// - Complexity: O(1)
  package func cachedRecord(of id: NodeID) -> Record? {
    guard isUsable, let record = cache?.find(id), !record.isSpilled else { return nil }
    return record
  }

  @inline(__always)
  func find(_ id: NodeID) throws -> Node? {
    if let record = cache?.find(id), let node = Node(id, record) { return node }
    return try index.node(id)
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
    try withStoreErrors {
      let node = try index.node(of: handle, on: filesystem)
      return node?.state == .live ? node : nil
    }
  }

  /// Returns up to `limit` nodes in the order of their ids, from one snapshot.
  ///
  /// To walk a whole store, call this again from the id in `next`. Each call reads a snapshot of
  /// its own. A node that is minted meanwhile comes later, because its id is above all others; but in a
  /// shared store another gateway may mint it below, and then it is missed.
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
  ) throws(StoreError) -> NodePage {
    try withStoreErrors {
      try Self.requireLimit(limit)
      return try index.nodes(from: start, limit: limit, on: filesystem, in: state)
    }
  }

  /// Refuses a limit below 1, with which a caller would never reach the end of a list.
  static func requireLimit(_ limit: Int) throws {
    guard limit > 0 else {
      throw StoreError.badValue("a limit of \(limit) is too low; use 1 or more")
    }
  }

  /// What the store has done since it was opened.
  ///
  /// - Complexity: O(1)
  public var statistics: Statistics { counters.snapshot(cacheHits: cache?.hits ?? 0) }
}

extension Store {
  /// Returns what a node's handle names: the inode, and a generation of it.
  ///
  /// - Returns: `nil` if this library does not know the layout of the filesystem's handles, or if
  ///   another process introduced the filesystem after this store was opened.
  /// - Complexity: O(1), no system call.
  public func fileKey(of node: Node) -> FileKey? {
    guard let magic = try? index.filesystems.magic(node.filesystem) else { return nil }
    return node.handle.fileKey(on: magic)
  }
}
