internal import HandleStore

extension RowChanges {
  /// Whether the change adds nodes and their keys, and nothing else.
  var addsOnlyNewFiles: Bool {
    !minted.isEmpty && changed.isEmpty && keys.allSatisfy { $0.before == nil }
      && !keys.isEmpty && after.aliases.isEmpty && places.isEmpty
  }

  /// Inserts nodes whose ``columns(of:)`` are the parameters from `$first` on.
  static func insertingNodes(firstParameter first: Int) -> String {
    """
    INSERT INTO handlestore_node (id, parent, hint, since, handle_type, type, filesystem, state,
      handle, version)
    SELECT id, parent, hint, since, handle_type::integer, type::integer, filesystem::smallint,
      state::smallint, handle, 1
    FROM unnest(\(parameters(first..<first + 9)))
      AS u (id, parent, hint, since, handle_type, type, filesystem, state, handle)
    """
  }

  /// Inserts keys whose ``keyColumns(of:)`` are the parameters from `$first` on.
  static func insertingKeys(firstParameter first: Int) -> String {
    """
    INSERT INTO handlestore_key (key, node, is_alias)
    SELECT key, node, is_alias
    FROM unnest(\(parameters(first..<first + 3))) AS u (key, node, is_alias)
    """
  }

  private static func parameters(_ places: Range<Int>) -> String {
    places.map { "$\($0)" }.joined(separator: ", ")
  }
}
