internal import HandleStore

/// Changes that only add new files are written without looking for the files before.
extension RowChanges {
  /// Whether the change adds nodes and their keys, and nothing else.
  var addsOnlyNewFiles: Bool {
    !minted.isEmpty && changed.isEmpty && keys.allSatisfy { $0.before == nil }
      && !keys.isEmpty && after.aliases.isEmpty && places.isEmpty
  }

  /// Adds the nodes and their keys, unless somebody has one of the keys or the gateway may not write: then
  /// it affects no rows. If somebody takes a key meanwhile, it fails.
  ///
  /// - Parameter membership: of the gateway that writes.
  func addingNewFiles(_ membership: Membership) -> Statement {
    Statement(
      """
      WITH fence AS (
        \(Membership.fence(where: "NOT EXISTS (SELECT FROM handlestore_key WHERE key = ANY ($6))"))
        RETURNING 1
      ), nodes AS (
        \(Self.insertingNodes(firstParameter: 9)) WHERE EXISTS (SELECT FROM fence)
      )
      \(Self.insertingKeys(firstParameter: 6)) WHERE EXISTS (SELECT FROM fence) ORDER BY key
      """,
      membership.fenceParameters(nodes: minted.count, changed: 0) + keyColumns(of: keys)
        + columns(of: minted))
  }
}
