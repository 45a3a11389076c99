public import SystemPackage

extension Store {
  /// Writes a copy of the store as it is now, without its free pages, to another directory, while
  /// this and other processes go on using it.
  ///
  /// The backup has the same incarnation and answers for the same nodes. Opened for writing, or copied
  /// and then opened, it becomes a store of its own, which hands out other ids than the original and
  /// every other copy (Docs/Copies.md).
  ///
  /// - Parameter path: where to; made where it does not exist (its parent must), else empty.
  /// - Throws: ``StoreError/system(_:_:)`` with `ENOTEMPTY` where there is something already,
  ///   ``StoreError/diskFull(path:)``, ``StoreError/damaged(_:)``, ``StoreError/closed``,
  ///   ``StoreError/forked``. There is no copy then.
  /// - Complexity: O(nodes). Any thread. A change of this process that needs the store to grow waits
  ///   for the end of the copy.
  public func backup(to path: FilePath) throws(StoreError) {
    try guarded {
      let backup = try Backup(of: directory, to: path)
      do {
        try copyData(to: backup.directory)
        try backup.finish()
      } catch {
        backup.remove()
        // It is the copy's disk that is full, and not the store's.
        let isFull =
          (error as? LMDBError)?.isDiskFull ?? (error as? Errno)?.isDiskFull ?? false
        throw isFull ? StoreError.diskFull(path: path) : error
      }
    }
  }

  private func copyData(to target: OpenDirectory) throws {
    while true {
      do {
        return try copySnapshot(to: target)
      } catch let error as LMDBError where error == .mapResized {
        // By a process that has written since the environment was opened.
        try target.unlink(PageFile.name)
        try environment.resizeMap(to: 0)
      }
    }
  }

  /// A snapshot is held meanwhile, so that the map is not moved.
  private func copySnapshot(to target: OpenDirectory) throws {
    let snapshot = try read()
    try environment.copy(to: target)
    _ = snapshot.number
  }
}
