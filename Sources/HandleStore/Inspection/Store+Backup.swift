public import SystemPackage

extension Store {
  /// Writes a copy of the store as it is now, without its free pages, to another directory, while
  /// this and other processes go on using it.
  ///
  /// The copy is a store with the same incarnation. It mints ids far above (2⁴⁰) those of the
  /// original, so that a restored copy never gives an id to another file than the original has since.
  ///
  /// - Parameter path: where to; made where it does not exist (its parent must), else empty.
  /// - Throws: ``StoreError/system(_:_:)`` with `ENOTEMPTY` where there is something already,
  ///   ``StoreError/diskFull(path:)``, ``StoreError/damaged(_:)``, ``StoreError/closed``,
  ///   ``StoreError/forked``. There is no copy then.
  /// - Complexity: O(nodes). Any thread. A change of this process that needs the store to grow waits
  ///   for the end of the copy.
  public func backup(to path: FilePath) throws(StoreError) {
    try guarded {
      let backup = Backup(of: self.path, to: path)
      try backup.prepare()
      do {
        try copyData(to: path)
        try backup.finish()
      } catch {
        backup.remove()
        // It is the copy's disk that is full, and not the store's.
        throw (error as? LMDBError)?.isDiskFull == true || error as? Errno == .noSpace
          || error as? Errno == .diskQuotaExceeded ? StoreError.diskFull(path: path) : error
      }
    }
  }

  private func copyData(to path: FilePath) throws {
    while true {
      do {
        return try copySnapshot(to: path)
      } catch let error as LMDBError where error == .mapResized {
        // By a process that has written since the environment was opened.
        try SystemCalls.unlink(path.appending("data.mdb"))
        try environment.resizeMap(to: 0)
      }
    }
  }

  /// A snapshot is held meanwhile, so that the map is not moved.
  private func copySnapshot(to path: FilePath) throws {
    let snapshot = try read()
    try environment.copy(to: path)
    _ = snapshot.number
  }
}
