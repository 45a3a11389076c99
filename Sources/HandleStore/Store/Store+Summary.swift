internal import SystemPackage

extension Store {
  /// Counts what the store holds and how much disk space it takes. The counts may or may not
  /// include what is written meanwhile.
  ///
  /// - Throws: ``StoreError/badValue(_:)`` for a store in memory, ``StoreError/damaged(_:)``,
  ///   ``StoreError/closed``, ``StoreError/forked``.
  /// - Complexity: O(nodes), in short snapshots. Any thread.
  public func summary() throws(StoreError) -> StoreSummary {
    let counts = try countByGroup()
    return try withStoreErrors { try lmdb.summary(counts) }
  }

  private func countByGroup() throws(StoreError) -> [StoreSummary.Group: Int] {
    var counts: [StoreSummary.Group: Int] = [:]
    var next: NodeID? = .root
    while let start = next {
      let page = try nodes(from: start)
      for node in page.nodes { counts[StoreSummary.Group(node), default: 0] += 1 }
      next = page.next
    }
    return counts
  }
}

extension StoreSummary.Group {
  fileprivate init(_ node: Node) {
    filesystem = node.filesystem
    handleType = node.handle.type
    state = node.state
  }
}
