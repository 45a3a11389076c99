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

  let before: WorkingSet
  let after: MemoryNodes
  let minted: [NodeID]
  /// The nodes with other rows, those of ``placeStatements`` included: so the version of a node's
  /// row is also that of its further parents, and who changes them has seen all of them.
  let updated: [NodeID]
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
      guard let before = old[id], let after = after.entries[id] else { return false }
      return !before.hasSameRecord(as: after) || before.furtherParents != after.furtherParents
    }.sorted()
    retired = updated.filter {
      old[$0]?.record.state == .live && after.entries[$0]?.record.state == .stale
    }
    keys = Self.keyChanges(before, after) + Self.disputedKeys(before, after)
  }

  /// The keys that nodes lose and that another node of the working set claims. Several nodes may have the
  /// hint for one `st_ino` as a key of their own, and if nobody looked for it, the working set does not
  /// know which of them the index names. Each of them takes it along.
  private static func disputedKeys(_ before: WorkingSet, _ after: MemoryNodes) -> [KeyChange] {
    before.nodes.entries.flatMap { id, entry -> [KeyChange] in
      guard entry.record.state == .live else { return [] }
      let kept = after.entries[id].map { $0.record.state == .live ? $0.keys : [] } ?? []
      return entry.keys.filter { key in
        !before.soughtKeys.contains(key) && before.nodes.index[key] != id && !kept.contains(key)
      }.map { KeyChange(key: $0, before: Owner(node: id, isAlias: false), after: nil) }
    }
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

  /// The nodes whose record changed, or that are gone: of these, others must hear.
  var changed: [NodeID] {
    updated.filter { id in
      guard let before = before.nodes.entries[id], let after = after.entries[id]
      else { return true }
      return !before.hasSameRecord(as: after)
    } + dropped
  }

  /// The nodes with their records as they are afterwards; `nil` if a node is gone.
  var records: [(NodeID, Record?)] {
    changed.map { ($0, after.entries[$0]?.record) }
  }

  /// The new nodes.
  var mintedEntries: [LocalCache.Entry] {
    minted.compactMap { id in
      after.entries[id].map { LocalCache.Entry(id, $0.record, $0.handle) }
    }
  }

  /// Whether there is nothing to write.
  var isEmpty: Bool { minted.isEmpty && updated.isEmpty && dropped.isEmpty && keys.isEmpty }
}

extension MemoryNodes.Entry {
  /// The `st_ino` that the hint for the node's file has.
  var hint: UInt64? {
    for case .hint(_, let inode) in keys { return inode }
    return nil
  }

  /// Whether both make the same row of `handlestore_node`, but for its version.
  fileprivate func hasSameRecord(as other: Self) -> Bool {
    record.state == other.record.state && record.parent == other.record.parent
      && record.since == other.record.since && record.filesystem == other.record.filesystem
      && handle == other.handle && hint == other.hint
  }
}
