public import SystemPackage

extension Store {
  /// Makes a damaged store usable again. It puts what is provably intact into new files, and
  /// keeps the original in the store's directory `set-aside`. It never deletes any of the original
  /// data.
  ///
  /// No process may have the store open for writing. A process that reads it goes on reading the
  /// original, and should open the store again. A repair that is killed has changed nothing or
  /// everything, and can be run again. Repairing a sound store changes none of its answers.
  ///
  /// - Returns: how much was kept, and where the original is.
  /// - Throws: ``StoreError/inUse(path:pid:)``, ``StoreError/alreadyOpen(path:)``,
  ///   ``StoreError/noStore(path:)``, ``StoreError/notAStore(path:reason:)``,
  ///   ``StoreError/unsupportedVersion(found:supported:)``, ``StoreError/diskFull(path:)``,
  ///   ``StoreError/system(_:_:)``. Then the store is as it was.
  /// - Complexity: O(nodes × log nodes) time; disk space for two more stores; a few bits of memory
  ///   for each page, and a few megabytes. Any thread.
  public static func repair(at path: FilePath) throws(StoreError) -> RepairReport {
    let directory = try OpenDirectory(ofStoreAt: path)
    let claim = try OpenStoreClaim(directory)
    defer { withExtendedLifetime(claim) {} }
    do {
      return try StoreRepair(directory) { Keyring.store(in: directory) }.run()
    } catch {
      throw StoreError(ofLMDB: error, path: path)
    }
  }
}
