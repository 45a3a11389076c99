internal import SystemPackage

/// The data file as a whole: a copy of it, and how its pages are used.
extension LMDBNodeIndex {
  /// Copies the data of one snapshot into a directory.
  ///
  /// - Throws: `Errno.noSpace` if that directory's disk is full.
  func copyData(to target: OpenDirectory) throws {
    while true {
      do {
        return try copySnapshot(to: target)
      } catch let error as LMDBError where error == .mapResized {
        // Another process has written since this one opened the environment.
        try target.unlink(PageFile.name)
        try environment.resizeMap(to: 0)
      } catch let error as LMDBError where error.isDiskFull {
        throw Errno.noSpace
      }
    }
  }

  /// Copies the data while it holds a snapshot, so that the map does not move.
  private func copySnapshot(to target: OpenDirectory) throws {
    let snapshot = try read()
    try environment.copy(to: target)
    _ = snapshot.number
  }

  /// Adds the sizes of the tables and the use of the pages to the nodes that were counted.
  func summary(_ counts: [StoreSummary.Group: Int]) throws -> StoreSummary {
    let transaction = try read()
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
