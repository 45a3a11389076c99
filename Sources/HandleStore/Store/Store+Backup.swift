public import SystemPackage

extension Store {
  /// Writes a copy of the store as it is now to another directory, without its unused space. This and
  /// other processes can go on using the store.
  ///
  /// The backup has the same incarnation and answers for the same nodes. When it is opened for
  /// writing, or copied and then opened for writing, it becomes a store of its own: it hands out
  /// other ids than the original and every other copy (Docs/Copies.md).
  ///
  /// - Parameter path: the directory to write to. If it exists, it must be empty; if not, it is
  ///   made, and its parent must exist.
  /// - Throws: ``StoreError/badValue(_:)`` for a store in memory, ``StoreError/system(_:_:)`` with
  ///   `ENOTEMPTY` if the directory is not empty,
  ///   ``StoreError/diskFull(path:)``, ``StoreError/damaged(_:)``, ``StoreError/closed``,
  ///   ``StoreError/forked``. Then there is no copy.
  /// - Complexity: O(nodes). Any thread. If a change in this process needs the store to grow, it
  ///   waits for the end of the copy.
  public func backup(to path: FilePath) throws(StoreError) {
    try withStoreErrors {
      let index = try lmdb
      let backup = try Backup(of: index.directory, to: path)
      do {
        try index.copyData(to: backup.directory)
        try backup.finish()
      } catch {
        backup.remove()
        // The disk of the copy is full, not that of the store.
        let isFull = (error as? Errno)?.isDiskFull ?? false
        throw isFull ? StoreError.diskFull(path: path) : error
      }
    }
  }

  /// The index in the store's directory.
  ///
  /// - Throws: ``StoreError/badValue(_:)`` for a store that is not in a directory.
  var lmdb: LMDBNodeIndex {
    get throws {
      guard let index = index as? LMDBNodeIndex else {
        throw StoreError.badValue(
          "this store has no files, because it is not in a directory; open one that is for this")
      }
      return index
    }
  }
}
