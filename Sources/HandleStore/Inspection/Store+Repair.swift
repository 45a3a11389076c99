public import SystemPackage

extension Store {
  /// Makes a damaged store usable again: what can be proved intact is put into a new `data.mdb`, and
  /// the original is kept in the store's directory `set-aside`. Nothing is ever deleted.
  ///
  /// No process has the store open for writing; one that reads it goes on reading the original, and
  /// should open the store again. A repair that was killed changed nothing, or all; it can be run
  /// again. Repairing a sound store changes none of its answers.
  ///
  /// - Returns: how much was kept, and where the original is.
  /// - Throws: ``StoreError/inUse(path:pid:)``, ``StoreError/alreadyOpen(path:)``,
  ///   ``StoreError/noStore(path:)``, ``StoreError/notAStore(path:reason:)``,
  ///   ``StoreError/unsupportedVersion(found:supported:)``, ``StoreError/diskFull(path:)``,
  ///   ``StoreError/system(_:_:)``. Then the store is as it was.
  /// - Complexity: O(nodes × log nodes) time; disk space for two more stores; a bit of memory for each
  ///   page, and a few megabytes. Any thread.
  public static func repair(at path: FilePath) throws(StoreError) -> RepairReport {
    let directory = try OpenDirectory(ofStoreAt: path)
    let claim = try OpenStoreClaim(directory)
    defer { withExtendedLifetime(claim) {} }
    do {
      return try StoreRepair(directory).run()
    } catch {
      throw StoreError(any: error, path: path)
    }
  }
}
