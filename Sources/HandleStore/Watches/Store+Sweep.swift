internal import SystemPackage

/// One step of a sweep: what it found, and where the next step starts.
public struct SweepStep: Hashable, Sendable {
  /// Live nodes whose file exists.
  public internal(set) var present = 0
  /// Live nodes whose file is deleted; the sweep retired them.
  public internal(set) var gone = 0
  /// Live nodes that the sweep could not decide: their filesystem is not attached or cannot be
  /// read, or a full disk kept the store from retiring them.
  public internal(set) var skipped = 0
  /// The deletions to report to the watchers.
  public internal(set) var deletions: Deletions
  /// The node at which the next step starts; `nil` after the last step.
  public internal(set) var next: NodeID?
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
  /// - Complexity: O(1) if there are none; otherwise O(`limit`) and one write. Any thread.
  public func deletions(atMost limit: Int = 1024) throws(StoreError) -> Deletions {
    try withStoreErrors {
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
    try withStoreErrors { try index.limbo() }
  }

  /// Opens the files of some live watched nodes, retires the nodes whose files are deleted, and
  /// returns what ``deletions(atMost:)`` returns: earlier deletions, and those that the sweep finds.
  /// A sweep takes several steps:
  ///
  /// ```swift
  /// var start: NodeID? = .root
  /// while let from = start {
  ///   let step = try store.sweep(from: from)
  ///   report(step.deletions)
  ///   start = step.next
  /// }
  /// ```
  ///
  /// A file that has another hard link, or is still open somewhere, exists: as in `inotify(7)`, a
  /// file is deleted when its last reference goes.
  ///
  /// If the caller ends the watches of the nodes that a step returned before it takes the next
  /// step, the sweep does not overflow limbo.
  ///
  /// - Parameters:
  ///   - start: the lowest id to look at.
  ///   - limit: the maximum number of nodes to look at, and of deletions to return, 1 or more. A step
  ///     looks at no more nodes than limbo has room for (``StoreOptions/limboLimit``).
  /// - Throws: what ``deletions(atMost:)`` throws, ``StoreError/tooManyOpenFiles``,
  ///   ``StoreError/notPermitted(_:)``.
  /// - Complexity: O(watches of these nodes), and an ``open(_:as:)`` for each of the nodes. Any
  ///   thread.
  public func sweep(
    from start: NodeID = .root, limit: Int = 1024
  ) throws(StoreError) -> SweepStep {
    // Report earlier deletions first: limbo has to have room for those of this step.
    var step = SweepStep(deletions: try deletions(atMost: limit), next: start)
    guard step.deletions.isEmpty else { return step }
    let page = try watchedNodes(from: start, limit: min(limit, max(options.limboLimit, 1)))
    for watched in page.nodes { try look(at: watched.id, &step) }
    step.deletions = try deletions(atMost: limit)
    // If other threads found many more meanwhile, some are left to return.
    let isFull = step.deletions.nodes.count == limit
    step.next = page.next ?? (isFull ? start : nil)
    return step
  }

  private func look(at id: NodeID, _ step: inout SweepStep) throws(StoreError) {
    guard try node(id)?.state == .live else { return }
    do throws(StoreError) {
      let descriptor = try open(id)
      SystemCalls.close(descriptor)
      step.present += 1
    } catch {
      switch error {
      case .stale:
        // On a full disk the node is still live, and the next sweep finds it again.
        if try node(id)?.state == .live { step.skipped += 1 } else { step.gone += 1 }
      case .notAttached, .system: step.skipped += 1
      case .unknownNode: break  // It is not watched any more.
      default: throw error
      }
    }
  }
}
