internal import HandleStore
internal import SystemPackage

/// What a change does to the rows of the tables: the difference between a working set and what the
/// change made of it.
struct RowChanges {
  struct KeyChange {
    let key: MemoryNodes.Key
    let before: Owner?
    let after: Owner?
  }

  /// Who has a key.
  struct Owner: Equatable {
    let node: NodeID
    let isAlias: Bool
  }

  private let before: WorkingSet
  let after: MemoryNodes
  let minted: [NodeID]
  private let updated: [NodeID]
  let dropped: [NodeID]
  /// The nodes that became stale.
  let retired: [NodeID]
  let keys: [KeyChange]

  init(from before: WorkingSet, to after: MemoryNodes) {
    (self.before, self.after) = (before, after)
    let old = before.nodes.entries
    minted = after.entries.keys.filter { old[$0] == nil }.sorted()
    dropped = old.keys.filter { after.entries[$0] == nil }.sorted()
    updated = after.entries.keys.filter { id in
      old[id].map { !$0.hasSameRow(as: after.entries[id]) } ?? false
    }.sorted()
    retired = updated.filter {
      old[$0]?.record.state == .live && after.entries[$0]?.record.state == .stale
    }
    keys = Self.keyChanges(before, after)
  }

  private static func keyChanges(_ before: WorkingSet, _ after: MemoryNodes) -> [KeyChange] {
    let all = Set(before.nodes.index.keys).union(before.nodes.aliases.keys)
      .union(after.index.keys).union(after.aliases.keys)
    return all.compactMap { key in
      let change = KeyChange(
        key: key, before: owner(of: key, before.nodes), after: owner(of: key, after))
      return change.before == change.after ? nil : change
    }
  }

  private static func owner(of key: MemoryNodes.Key, _ nodes: MemoryNodes) -> Owner? {
    if let alias = nodes.aliases[key] { return Owner(node: alias.node, isAlias: true) }
    return nodes.index[key].map { Owner(node: $0, isAlias: false) }
  }

  /// The nodes whose record changed, or that are gone.
  var changed: [NodeID] { updated + dropped }

  /// The nodes with their records as they are afterwards; `nil` if a node is gone.
  var records: [(NodeID, Record?)] {
    changed.map { ($0, after.entries[$0]?.record) }
  }

  /// The new nodes with their records.
  var mintedRecords: [(NodeID, Record)] {
    minted.compactMap { id in after.entries[id].map { (id, $0.record) } }
  }

  /// Whether there is nothing to write.
  var isEmpty: Bool { minted.isEmpty && changed.isEmpty && keys.isEmpty && places.isEmpty }

  // MARK: Statements

  /// The statements that write the change. They fail if somebody has changed since then what the
  /// change depends on.
  func statements(limboLimit: Int) -> [Statement] {
    nodeStatements + keyStatements + aliasStatements + placeStatements
      + limboStatements(limboLimit) + dropStatements
  }

  /// Makes a statement fail unless it affects this many rows.
  static func requiring(_ count: Int, _ body: String) -> String {
    "WITH done AS (\(body) RETURNING 1) "
      + "SELECT 1 / (CASE WHEN count(*) = \(count) THEN 1 ELSE 0 END) FROM done"
  }

  /// The same for a number that varies from call to call: it is the parameter `$place`.
  static func requiring(parameter place: Int, _ body: String) -> String {
    "WITH done AS (\(body) RETURNING 1) "
      + "SELECT 1 / (CASE WHEN count(*) = $\(place) THEN 1 ELSE 0 END) FROM done"
  }

  /// Here and below, `= ANY` makes the server look up each row by its key, whatever it thinks of the
  /// order of the join.
  private var nodeStatements: [Statement] {
    var statements: [Statement] = []
    if !minted.isEmpty {
      statements.append(Statement(Self.insertingNodes(firstParameter: 1), columns(of: minted)))
    }
    if !updated.isEmpty {
      statements.append(
        Statement(
          Self.requiring(
            parameter: 11,
            """
            UPDATE handlestore_node n SET parent = u.parent, hint = u.hint, since = u.since,
              handle_type = u.handle_type::integer, type = u.type::integer,
              filesystem = u.filesystem::smallint, state = u.state::smallint, handle = u.handle,
              version = n.version + 1
            FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
              AS u (id, parent, hint, since, handle_type, type, filesystem, state, handle, version)
            WHERE n.id = u.id AND n.version = u.version AND n.id = ANY ($1)
            """),
          columns(of: updated) + [versions(of: updated), .integer(Int64(updated.count))]))
    }
    return statements
  }

  func columns(of ids: [NodeID]) -> [Parameter] {
    let entries = ids.compactMap { after.entries[$0] }
    func integers(_ value: (MemoryNodes.Entry) -> Int64?) -> Parameter {
      .integers(entries.map(value))
    }
    return [
      .integers(ids.map(\.signed)),
      integers { $0.record.parent?.signed },
      integers { $0.hint.map { Int64(bitPattern: $0) } },
      integers { Int64($0.record.since) },
      integers { Int64($0.handle.type.rawValue) },
      integers { Int64($0.record.type.rawValue) },
      integers { Int64($0.record.filesystem.rawValue) },
      integers { Int64($0.record.state?.rawValue ?? 0) },
      .byteStrings(entries.map(\.handle.bytes)),
    ]
  }

  private func versions(of ids: [NodeID]) -> Parameter {
    .integers(ids.map { before.versions[$0] })
  }

  private var keyStatements: [Statement] {
    let added = keys.filter { $0.before == nil }
    let moved = keys.filter { $0.before != nil && $0.after != nil }
    let removed = keys.filter { $0.after == nil }
    var statements: [Statement] = []
    // Keys that lose their owner come first: their new owner's row may have another key by then.
    for isSought in [true, false] {
      let removed = removed.filter { before.soughtKeys.contains($0.key) == isSought }
      guard !removed.isEmpty else { continue }
      let delete = """
        DELETE FROM handlestore_key k USING unnest($1, $2, $3) AS u (key, node, is_alias)
        WHERE k.key = u.key AND k.node = u.node AND k.is_alias = u.is_alias AND k.key = ANY ($1)
        """
      let parameters = [keyBytes(removed), owners(removed, \.before), kinds(removed, \.before)]
      statements.append(
        isSought
          ? Statement(
            Self.requiring(parameter: 4, delete), parameters + [.integer(Int64(removed.count))])
          : Statement(delete, parameters))
    }
    if !moved.isEmpty {
      statements.append(
        Statement(
          Self.requiring(
            parameter: 6,
            """
            UPDATE handlestore_key k SET node = u.node, is_alias = u.is_alias
            FROM unnest($1, $2, $3, $4, $5) AS u (key, old_node, was_alias, node, is_alias)
            WHERE k.key = u.key AND k.node = u.old_node AND k.is_alias = u.was_alias
              AND k.key = ANY ($1)
            """),
          [
            keyBytes(moved), owners(moved, \.before), kinds(moved, \.before),
            owners(moved, \.after), kinds(moved, \.after), .integer(Int64(moved.count)),
          ]))
    }
    if !added.isEmpty {
      statements.append(
        Statement(Self.insertingKeys(firstParameter: 1) + " ORDER BY key", keyColumns(of: added)))
    }
    return statements
  }

  func keyColumns(of added: [KeyChange]) -> [Parameter] {
    [keyBytes(added), owners(added, \.after), kinds(added, \.after)]
  }

  private func keyBytes(_ changes: [KeyChange]) -> Parameter {
    .byteStrings(changes.map(\.key.bytes))
  }

  private func owners(_ changes: [KeyChange], _ owner: (KeyChange) -> Owner?) -> Parameter {
    .integers(changes.map { owner($0)?.node.signed })
  }

  private func kinds(_ changes: [KeyChange], _ owner: (KeyChange) -> Owner?) -> Parameter {
    .booleans(changes.map { owner($0)?.isAlias ?? false })
  }

  private var aliasStatements: [Statement] {
    let old = before.nodes.aliases
    let removed = old.filter { after.aliases[$0.key] != $0.value }
    let added = after.aliases.filter { old[$0.key] != $0.value }
    var statements: [Statement] = []
    if !removed.isEmpty {
      statements.append(
        Statement(
          """
          DELETE FROM handlestore_alias a USING unnest($1, $2) AS u (node, key)
          WHERE a.node = u.node AND a.key = u.key AND a.node = ANY ($1)
          """,
          [
            .integers(removed.map(\.value.node.signed)), .byteStrings(removed.map(\.key.bytes)),
          ]))
    }
    if !added.isEmpty {
      func integers(_ value: (Alias) -> Int64) -> Parameter {
        .integers(added.map { value($0.value) })
      }
      statements.append(
        Statement(
          """
          INSERT INTO handlestore_alias (node, key, since, handle_type, type, filesystem, handle)
          SELECT node, key, since, handle_type::integer, type::integer, filesystem::smallint, handle
          FROM unnest($1, $2, $3, $4, $5, $6, $7)
            AS u (node, key, since, handle_type, type, filesystem, handle)
          """,
          [
            integers(\.node.signed), .byteStrings(added.map(\.key.bytes)),
            integers { Int64($0.since) }, integers { Int64($0.handle.type.rawValue) },
            integers { Int64($0.type.rawValue) }, integers { Int64($0.filesystem.rawValue) },
            .byteStrings(added.map(\.value.handle.bytes)),
          ]))
    }
    return statements
  }

  /// The further parents that are new.
  var places: [(node: NodeID, directory: NodeID)] {
    after.entries.flatMap { id, entry in
      entry.furtherParents.subtracting(before.nodes.entries[id]?.furtherParents ?? [])
        .map { (id, $0) }
    }
  }

  private var placeStatements: [Statement] {
    var statements: [Statement] = []
    let emptied = dropped + updated.filter { after.entries[$0]?.furtherParents.isEmpty ?? true }
    if !emptied.isEmpty {
      statements.append(
        Statement(
          "DELETE FROM handlestore_place WHERE node = ANY ($1)", [.integers(emptied.map(\.signed))])
      )
    }
    if !places.isEmpty {
      statements.append(
        Statement(
          """
          INSERT INTO handlestore_place (node, directory)
          SELECT node, directory FROM unnest($1, $2) AS u (node, directory) ON CONFLICT DO NOTHING
          """,
          [.integers(places.map(\.node.signed)), .integers(places.map(\.directory.signed))]))
    }
    return statements
  }

  private func limboStatements(_ limit: Int) -> [Statement] {
    guard !retired.isEmpty else { return [] }
    return [
      Statement(
        """
        INSERT INTO handlestore_limbo (node, is_reported)
        SELECT DISTINCT node, false FROM handlestore_watch WHERE node = ANY ($1)
        ON CONFLICT DO NOTHING
        """, [.integers(retired.map(\.signed))]),
      // Counts the nodes in limbo, but only if one of these is among them.
      Statement(
        """
        WITH gone AS (
          DELETE FROM handlestore_limbo WHERE node = ANY (ARRAY(
            SELECT node FROM handlestore_limbo ORDER BY is_reported DESC, node
            LIMIT CASE WHEN EXISTS (SELECT FROM handlestore_limbo WHERE node = ANY ($2))
              THEN greatest((SELECT count(*) FROM handlestore_limbo) - $1, 0) ELSE 0 END))
          RETURNING node
        ), unwatched AS (
          DELETE FROM handlestore_watch WHERE node = ANY (ARRAY(SELECT node FROM gone))
        )
        UPDATE handlestore_store SET limbo_overflowed = true WHERE EXISTS (SELECT FROM gone)
        """, [.integer(Int64(max(limit, 0))), .integers(retired.map(\.signed))]),
    ]
  }

  private var dropStatements: [Statement] {
    guard !dropped.isEmpty else { return [] }
    return [
      Statement(
        Self.requiring(
          parameter: 3,
          """
          DELETE FROM handlestore_node n USING unnest($1, $2) AS u (id, version)
          WHERE n.id = u.id AND n.version = u.version AND n.id = ANY ($1)
          """),
        [
          .integers(dropped.map(\.signed)), versions(of: dropped), .integer(Int64(dropped.count)),
        ]),
      // A node that got a watch meanwhile stays.
      Statement(
        """
        SELECT 1 / (CASE WHEN EXISTS (SELECT FROM handlestore_watch WHERE node = ANY ($1))
          THEN 0 ELSE 1 END)
        """, [.integers(dropped.map(\.signed))]),
    ]
  }
}

extension MemoryNodes.Entry {
  /// The `st_ino` that the hint for the node's file has.
  fileprivate var hint: UInt64? {
    for case .hint(_, let inode) in keys { return inode }
    return nil
  }

  /// Whether both make the same row of `handlestore_node`.
  fileprivate func hasSameRow(as other: Self?) -> Bool {
    guard let other else { return false }
    return record.state == other.record.state && record.parent == other.record.parent
      && record.since == other.record.since && record.filesystem == other.record.filesystem
      && handle == other.handle && hint == other.hint
  }
}
