public import SystemPackage

extension Store {
  /// Reads a whole store and reports what is wrong with it.
  ///
  /// It reads the files itself, page by page, so that nothing in them can crash the process. It
  /// changes nothing. Another process may write to the store meanwhile: the check reads a snapshot.
  ///
  /// - Parameters:
  ///   - path: the store's directory.
  ///   - limit: how many findings to describe at most; the report counts all of them.
  /// - Throws: ``StoreError/badValue(_:)`` for a negative limit, ``StoreError/noStore(path:)``,
  ///   ``StoreError/notAStore(path:reason:)``, ``StoreError/unsupportedVersion(found:supported:)``;
  ///   ``StoreError/alreadyOpen(path:)`` if this process has the store open;
  ///   ``StoreError/inUse(path:pid:)`` if another process writes and the check can get no snapshot;
  ///   ``StoreError/system(_:_:)``. Damage is not an error: the report lists it.
  /// - Complexity: O(nodes × log nodes) time; a few bits of memory for each page, and a few
  ///   megabytes. Any thread.
  public static func check(
    at path: FilePath, findings limit: Int = 1000
  ) throws(StoreError) -> CheckReport {
    guard limit >= 0 else {
      throw .badValue("a limit of \(limit) findings is too low; use 0 or more")
    }
    let directory = try OpenDirectory(ofStoreAt: path)
    let claim = try OpenStoreClaim(directory)
    defer { withExtendedLifetime(claim) {} }
    do {
      return try CheckedDirectory(directory).check(atMost: limit)
    } catch {
      throw StoreError(ofLMDB: error, path: path)
    }
  }
}
