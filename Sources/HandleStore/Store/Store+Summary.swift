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
    return try withStoreErrors {
      let index = try lmdb
      let (environment, tables) = (index.environment, index.tables)
      let transaction = try index.read()
      let free = try transaction.freePages()
      let info = environment.info
      return StoreSummary(
        counts: counts, aliases: try transaction.statistics(tables.aliases).entries,
        spilled: try transaction.statistics(tables.spill).entries,
        watches: try transaction.statistics(tables.watches).entries,
        limbo: try tables.limboCount(in: transaction),
        nodesDepth: try transaction.statistics(tables.nodes).depth,
        inodesDepth: try transaction.statistics(tables.inodes).depth,
        pageSize: environment.pageSize, usedPages: info.lastPage + 1 - free, freePages: free,
        readers: info.readers)
    }
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

extension Reading where Self: ~Copyable {
  /// Returns the number of pages in the free list of the snapshot.
  fileprivate func freePages() throws(LMDBError) -> Int {
    var cursor = try Cursor(.free, in: self)
    var free = 0
    while try cursor.next() {
      let count = cursor.value
      guard count < UInt64(clamping: cursor.valueSize / 8) else { throw LMDBError.corrupted }
      free += Int(count)
    }
    return free
  }
}
