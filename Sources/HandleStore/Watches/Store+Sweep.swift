internal import SystemPackage

/// The counts of a sweep.
public struct Sweep: Hashable, Sendable {
  /// Live nodes whose file exists.
  public internal(set) var present = 0
  /// Live nodes whose file is deleted; the sweep retired them.
  public internal(set) var gone = 0
  /// Live nodes that the sweep could not decide: their filesystem is not attached or cannot be
  /// read, or a full disk kept the store from retiring them.
  public internal(set) var skipped = 0
}

extension Store {
  /// Returns watched nodes whose deletion any call has found, and marks them as reported. The store
  /// returns each node once, also over restarts, and each overflow once.
  ///
  /// A process that dies before it has told the watchers finds the nodes in ``limbo()``.
  ///
  /// - Parameter limit: the maximum number of nodes to return, 1 or more.
  /// - Returns: the nodes by id; if there are `limit`, there may be more.
  /// - Throws: ``StoreError/badValue(_:)`` for a limit below 1, ``StoreError/readOnly``,
  ///   ``StoreError/diskFull(path:)``, ``StoreError/damaged(_:)``, ``StoreError/closed``,
  ///   ``StoreError/forked``.
  /// - Complexity: O(1) if there are none; otherwise O(`limit`) and one commit. Any thread.
  public func deletions(atMost limit: Int = 1024) throws(StoreError) -> Deletions {
    try guarded {
      try Self.requireLimit(limit)
      return try index.takeDeletions(limit: limit)
    }
  }

  /// Returns the nodes in limbo, reported ones first. A server that was killed while it reported
  /// deletions goes through them again.
  ///
  /// - Throws: ``StoreError/damaged(_:)``, ``StoreError/closed``, ``StoreError/forked``.
  /// - Complexity: O(nodes in limbo), at most ``StoreOptions/limboLimit``. Any thread.
  public func limbo() throws(StoreError) -> [LimboNode] {
    try guarded { try index.limbo() }
  }

  /// Opens the file of each live watched node, retires the nodes whose files are deleted, and
  /// passes on everything that ``deletions(atMost:)`` returns: earlier deletions, and those that
  /// the sweep finds.
  ///
  /// A file that has another hard link, or is still open somewhere, exists: as in `inotify(7)`, a
  /// file is deleted when its last reference goes.
  ///
  /// - Parameter report: receives the deletions, batch by batch, in no order. It may use the store.
  ///   If it ends the watches of the nodes that it has reported, the sweep does not overflow limbo.
  /// - Returns: how many nodes the sweep found present, gone and undecided.
  /// - Throws: what ``deletions(atMost:)`` and `report` throw, ``StoreError/tooManyOpenFiles``,
  ///   ``StoreError/notPermitted(_:)``.
  /// - Complexity: O(watches), and an ``open(_:_:)`` for each watched node. Any thread.
  @discardableResult
  public func sweep(
    _ report: (Deletions) throws(StoreError) -> Void
  ) throws(StoreError) -> Sweep {
    var sweep = Sweep()
    try giveOut(report)
    // A page holds no more deletions than limbo has room for.
    let limit = min(max(options.limboLimit, 1), 1024)
    var next: NodeID? = .root
    while let start = next {
      let page = try watchedNodes(from: start, limit: limit)
      for watched in page.nodes { try look(at: watched.id, &sweep) }
      try giveOut(report)
      next = page.next
    }
    return sweep
  }

  private func giveOut(
    _ report: (Deletions) throws(StoreError) -> Void
  ) throws(StoreError) {
    while true {
      let deletions = try deletions()
      if deletions.isEmpty { return }
      try report(deletions)
    }
  }

  private func look(at id: NodeID, _ sweep: inout Sweep) throws(StoreError) {
    guard try node(id)?.state == .live else { return }
    do throws(StoreError) {
      let descriptor = try open(id)
      SystemCalls.close(descriptor)
      sweep.present += 1
    } catch {
      switch error {
      case .stale:
        // On a full disk the node is still live, and the next sweep finds it again.
        if try node(id)?.state == .live { sweep.skipped += 1 } else { sweep.gone += 1 }
      case .notAttached, .system: sweep.skipped += 1
      case .unknownNode: break  // It is not watched any more.
      default: throw error
      }
    }
  }
}
