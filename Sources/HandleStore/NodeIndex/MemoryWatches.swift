/// The watches of a ``MemoryNodeIndex``, and the nodes in limbo.
package struct MemoryWatches {
  private let limboLimit: Int
  private var masks: [NodeID: [WatcherID: WatchMask]] = [:]
  private var reported: Set<NodeID> = []
  private var unreported: Set<NodeID> = []
  private var hasOverflowed = false

  init(limboLimit: Int) { self.limboLimit = max(limboLimit, 0) }

  func isWatched(_ id: NodeID) -> Bool { masks[id] != nil }

  package mutating func put(_ watch: Watch) {
    masks[watch.node, default: [:]][watch.watcher] = watch.mask
  }

  mutating func remove(_ id: NodeID, by watcher: WatcherID) -> Bool {
    guard masks[id]?.removeValue(forKey: watcher) != nil else { return false }
    if masks[id]?.isEmpty ?? true { forget(id) }
    return true
  }

  private mutating func forget(_ id: NodeID) {
    masks[id] = nil
    reported.remove(id)
    unreported.remove(id)
  }

  func all(of id: NodeID) -> [Watch] {
    (masks[id] ?? [:]).sorted { $0.key < $1.key }.map {
      Watch(node: id, watcher: $0.key, mask: $0.value)
    }
  }

  func nodes(from start: NodeID, limit: Int) -> WatchedNodePage {
    let found = masks.keys.filter { $0 >= start }.sorted()
    let nodes = found.prefix(limit).map { id in
      WatchedNode(id: id, mask: all(of: id).reduce(into: []) { $0.formUnion($1.mask) })
    }
    return WatchedNodePage(nodes: nodes, next: found.count > limit ? found[limit] : nil)
  }
}

// MARK: Limbo

extension MemoryWatches {
  var limbo: [LimboNode] {
    reported.sorted().map { LimboNode(id: $0, isReported: true) }
      + unreported.sorted().map { LimboNode(id: $0, isReported: false) }
  }

  /// Puts a node that became stale into limbo, if it is watched. If limbo is full, forgets the
  /// watches of the nodes with the lowest ids, those whose deletion was reported first.
  mutating func enterLimbo(_ id: NodeID) {
    guard isWatched(id) else { return }
    unreported.insert(id)
    while reported.count + unreported.count > limboLimit {
      guard let first = reported.min() ?? unreported.min() else { return }
      forget(first)
      hasOverflowed = true
    }
  }

  mutating func takeDeletions(limit: Int) -> Deletions {
    let nodes = Array(unreported.sorted().prefix(limit))
    unreported.subtract(nodes)
    reported.formUnion(nodes)
    defer { hasOverflowed = false }
    return Deletions(nodes: nodes, overflowed: hasOverflowed)
  }
}
