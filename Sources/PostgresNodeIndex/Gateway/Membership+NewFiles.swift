internal import HandleStore

extension Membership {
  /// Writes a change that only adds new files (``RowChanges/addsOnlyNewFiles``) without looking for them
  /// before. If somebody has one of the keys, or the gateway may not write, it affects no rows. If somebody
  /// takes a key meanwhile, it fails.
  func adding(newFiles changes: RowChanges) -> Statement {
    Statement(
      Self.addition,
      fenceParameters(nodes: changes.minted.count, changed: 0)
        + changes.keyColumns(of: changes.keys) + changes.columns(of: changes.minted))
  }

  /// The parameters are those of ``fence(where:)``, of the keys and of the nodes.
  private static let addition = """
    WITH fence AS (
      \(fence(where: "NOT EXISTS (SELECT FROM handlestore_key WHERE key = ANY ($6))"))
      RETURNING 1
    ), nodes AS (
      \(RowChanges.insertingNodes(firstParameter: 9)) WHERE EXISTS (SELECT FROM fence)
    )
    \(RowChanges.insertingKeys(firstParameter: 6)) WHERE EXISTS (SELECT FROM fence) ORDER BY key
    """
}
