/// Watched nodes whose files are gone, to be told to those who watch them.
public struct Deletions: Hashable, Sendable {
  /// The nodes. They are in limbo until their watches end (``Store/unwatch(_:by:)``).
  public let nodes: [NodeID]
  /// Whether there were more nodes in limbo than ``StoreOptions/limboLimit``, so that the first of them
  /// lost their watches. Who watches may have missed something, and has to look for itself.
  public let overflowed: Bool

  /// Whether there is nothing to tell.
  public var isEmpty: Bool { nodes.isEmpty && !overflowed }
}

/// A node in limbo: stale, and watched.
public struct LimboNode: Hashable, Sendable {
  /// The node.
  public let id: NodeID
  /// Whether it was given out as deleted (``Store/deletions(atMost:)``).
  public let isReported: Bool
}

/// What a sweep has looked at.
public struct Sweep: Hashable, Sendable {
  /// Live nodes whose file was there.
  public internal(set) var present = 0
  /// Live nodes whose file was found to be gone.
  public internal(set) var gone = 0
  /// Live nodes of which nobody could tell: their filesystem is not attached or cannot be read.
  public internal(set) var skipped = 0
}

extension Store {
  /// Takes watched nodes that were found to be deleted, by whatever call, and were not given yet: each
  /// is given once, also over restarts. So is an overflow.
  ///
  /// A process that dies before it has told them finds them in ``limbo()``.
  ///
  /// - Parameter limit: how many nodes to return at the most, 1 or more.
  /// - Returns: the nodes by their ids; where there are `limit`, there may be more.
  /// - Throws: ``StoreError/badValue(_:)`` for a limit below 1, ``StoreError/readOnly``,
  ///   ``StoreError/diskFull(path:)``, ``StoreError/damaged(_:)``, ``StoreError/closed``,
  ///   ``StoreError/forked``.
  /// - Complexity: O(1) where there are none; else O(`limit`), one commit. Any thread.
  public func deletions(atMost limit: Int = 1024) throws(StoreError) -> Deletions {
    try guarded {
      try Self.requireLimit(limit)
      let writer = try changing()
      guard try hasDeletions() else { return Deletions(nodes: [], overflowed: false) }
      return try writer.perform(TakingDeletions(limit: limit))
    }
  }

  private func hasDeletions() throws -> Bool {
    let transaction = try read()
    return try transaction.has(.overflow, tables)
      || !transaction.limbo(from: .firstWaiting, atMost: 1, tables).isEmpty
  }

  /// The nodes in limbo, those that were reported first: what a server goes through when it was killed
  /// while it told of deletions.
  ///
  /// - Throws: ``StoreError/damaged(_:)``, ``StoreError/closed``, ``StoreError/forked``.
  /// - Complexity: O(nodes in limbo), which are no more than ``StoreOptions/limboLimit``. Any thread.
  public func limbo() throws(StoreError) -> [LimboNode] {
    try guarded {
      try read().limbo(atMost: .max, tables).map {
        LimboNode(id: $0.node, isReported: $0.isReported)
      }
    }
  }

  /// Opens the file of each watched node that is live, retires the nodes whose files are gone, and gives
  /// out what ``deletions(atMost:)`` has: from before, and from what is found now.
  ///
  /// A file that has another hard link, or is still open somewhere, is there: as `inotify(7)` has it, a
  /// file is deleted when the last reference to it goes.
  ///
  /// - Parameter report: is given the deletions, batch by batch, in no order. It may use the store;
  ///   where it ends the watches of what it has told, limbo does not overflow by the sweep.
  /// - Throws: what ``deletions(atMost:)`` and the report throw, ``StoreError/tooManyOpenFiles``,
  ///   ``StoreError/notPermitted(_:)``.
  /// - Complexity: O(watches), an ``open(_:_:)`` for each watched node. Any thread.
  @discardableResult
  public func sweep(
    _ report: (Deletions) throws(StoreError) -> Void
  ) throws(StoreError) -> Sweep {
    var sweep = Sweep()
    try giveOut(report)
    // Of one page there are no more deletions than limbo has room for.
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
        // Still live where the disk is full: then the next sweep finds it.
        if try node(id)?.state == .live { sweep.skipped += 1 } else { sweep.gone += 1 }
      case .notAttached, .system: sweep.skipped += 1
      case .unknownNode: break  // It is not watched any more.
      default: throw error
      }
    }
  }
}
