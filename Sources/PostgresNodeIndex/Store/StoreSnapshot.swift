internal import HandleStore

/// All that a shared store has at one moment.
struct StoreSnapshot {
  private static let pageSize = 1024
  private let transaction: Transaction
  private let known = KnownFilesystems()

  /// - Parameter transaction: one that reads from a single snapshot.
  init(of transaction: Transaction) { self.transaction = transaction }

  /// What the store has besides its nodes and small files. Call this first.
  func contents() throws -> StoreContents {
    let store = try transaction.run(
      Statement("SELECT number, incarnation, next_id, limbo_overflowed FROM handlestore_store"))
    guard store.count == 1, let number = store.integer(0, 0), let incarnation = store.integer(0, 1),
      let next = store.integer(0, 2), let hasOverflowed = store.boolean(0, 3)
    else { throw StoreError.damaged("handlestore_store has no row") }
    try known.take(transaction.run(Schema.filesystems))
    let limbo = try transaction.run(Statement("SELECT node, is_reported FROM handlestore_limbo"))
    return StoreContents(
      number: UInt64(bitPattern: number), incarnation: UInt32(truncatingIfNeeded: incarnation),
      idBound: NodeID(signed: next).rawValue, filesystems: known.all,
      limbo: (0..<limbo.count).compactMap { row in
        guard let id = limbo.node(row, 0), let isReported = limbo.boolean(row, 1) else {
          return nil
        }
        return LimboNode(id: id, isReported: isReported)
      }, hasOverflowed: hasOverflowed)
  }

  /// Gives a body all nodes, some at a time, in the order of their ids.
  func forEachPage(_ body: ([WholeNode]) throws -> Void) throws {
    var next: NodeID? = .root
    while let start = next {
      let rows = try transaction.run(
        WorkingSet.page(from: start, limit: Self.pageSize + 1, onlyStale: false))
      let ids = (0..<rows.count).compactMap { rows.node($0, 0) }
      try body(nodes(Array(ids.prefix(Self.pageSize))))
      next = ids.count > Self.pageSize ? ids[Self.pageSize] : nil
    }
  }

  private func nodes(_ ids: [NodeID]) throws -> [WholeNode] {
    guard !ids.isEmpty else { return [] }
    let found = try WorkingSet.statements(keys: [], ids: ids).map { try transaction.run($0) }
    let memory = try WorkingSet(next: .root, keys: [], found, on: known).nodes
    let watches = try watches(of: ids)
    let hints = try hints(of: memory)
    return ids.compactMap { id in
      guard let entry = memory.entries[id] else { return nil }
      var inode: WholeNode.Inode?
      if entry.record.state == .live {
        for case .hint(_, let number) in entry.keys { inode = (number, hints.contains(id)) }
      }
      return WholeNode(
        id, entry.record, entry.handle, inode: inode,
        furtherParents: entry.furtherParents.sorted(),
        aliases: entry.aliasKeys.compactMap { memory.aliases[$0] }, watches: watches[id] ?? [])
    }
  }

  private func watches(of ids: [NodeID]) throws -> [NodeID: [Watch]] {
    let rows = try transaction.run(
      Statement(
        "SELECT node, watcher, mask FROM handlestore_watch WHERE node = ANY ($1)",
        [.integers(ids.map(\.signed))]))
    return Dictionary(grouping: (0..<rows.count).compactMap { rows.watch($0) }, by: \.node)
  }

  /// Returns those of some nodes that have their hints.
  private func hints(of memory: MemoryNodes) throws -> Set<NodeID> {
    let keys = memory.entries.values.flatMap(\.keys).filter {
      if case .hint = $0 { true } else { false }
    }
    guard !keys.isEmpty else { return [] }
    let rows = try transaction.run(
      Statement(
        "SELECT node FROM handlestore_key WHERE key = ANY ($1)", [.byteStrings(keys.map(\.bytes))]))
    return Set((0..<rows.count).compactMap { rows.node($0, 0) })
  }
}
