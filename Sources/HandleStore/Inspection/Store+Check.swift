public import SystemPackage

extension Store {
  /// Reads a whole store and says what is wrong with it.
  ///
  /// The pages are read without LMDB, so that nothing in them can end the process. A process may
  /// write to the store meanwhile: what is checked is a snapshot. Nothing is changed.
  ///
  /// - Parameters:
  ///   - path: the store's directory.
  ///   - limit: how many findings to describe at the most; all are counted.
  /// - Throws: ``StoreError/badValue(_:)`` for a negative number, ``StoreError/noStore(path:)``, ``StoreError/notAStore(path:reason:)``,
  ///   ``StoreError/unsupportedVersion(found:supported:)``; ``StoreError/alreadyOpen(path:)`` where
  ///   this process has the store open; ``StoreError/inUse(path:pid:)``
  ///   where a process writes and no snapshot can be had; ``StoreError/system(_:_:)``. Damage is no
  ///   error: it is in the report.
  /// - Complexity: O(nodes × log nodes) time; a bit of memory for each page, and a few megabytes.
  ///   Any thread.
  public static func check(
    at path: FilePath, findings limit: Int = 1000
  ) throws(StoreError) -> CheckReport {
    guard limit >= 0 else {
      throw .badValue("\(limit) findings cannot be described; name 0 or more")
    }
    let directory = try OpenDirectory(ofStoreAt: path)
    let claim = try OpenStoreClaim(directory)
    defer { withExtendedLifetime(claim) {} }
    do {
      return try CheckedDirectory(directory).check(atMost: limit)
    } catch {
      throw StoreError(any: error, path: path)
    }
  }
}
