internal import HandleStore

/// Puts all that another engine has into the tables of a shared store that is not used yet.
final class StoreImport {
  private let transaction: Transaction
  private let known = KnownFilesystems()
  private var limbo: [LimboNode] = []
  private(set) var count = 0

  init(in transaction: Transaction) { self.transaction = transaction }

  /// Keeps gateways away, and throws if one is there or was.
  func requireUnused() throws {
    try transaction.run("LOCK TABLE handlestore_node, handlestore_gateway IN EXCLUSIVE MODE")
    let used = try transaction.run(
      Statement(
        """
        SELECT EXISTS (SELECT FROM handlestore_node) OR EXISTS (SELECT FROM handlestore_file),
          EXISTS (SELECT FROM handlestore_gateway WHERE lease_until > clock_timestamp())
        """))
    guard used.boolean(0, 0) == false else {
      throw StoreError.badValue(
        "the database has a store with nodes, exports or keys; use an empty database or schema")
    }
    guard used.boolean(0, 1) == false else {
      throw StoreError.badValue("a gateway uses the store in the database; stop it first")
    }
  }

  func begin(_ contents: StoreContents, _ files: any SmallFiles) throws(StoreError) {
    try describing {
      _ = try transaction.run(
        Statement(
          """
          UPDATE handlestore_store SET number = $1, incarnation = $2, next_id = $3,
            lineage = \(Schema.lineage), limbo_overflowed = $4
          """,
          [
            .integer(Int64(bitPattern: contents.number)),
            .integer(Int64(contents.incarnation)),
            .integer(contents.firstIDOfCopy().signed), .boolean(contents.hasOverflowed),
          ]))
      // Gateways that are gone knew the store by its former number.
      try transaction.run("DELETE FROM handlestore_gateway")
      try transaction.run("DELETE FROM handlestore_change")
      try transaction.run("DELETE FROM handlestore_eviction")
      try transaction.run("DELETE FROM handlestore_filesystem")
      for (id, filesystem) in contents.filesystems {
        known[id] = filesystem
        _ = try transaction.run(
          Statement(
            "INSERT INTO handlestore_filesystem (id, known) VALUES ($1, $2)",
            [.integer(Int64(id.rawValue)), .text(filesystem.text)]))
      }
      try files.copy(of: contents.number, to: transaction)
    }
    limbo = contents.limbo
  }

  func append(_ nodes: [WholeNode]) throws(StoreError) {
    guard !nodes.isEmpty else { return }
    try describing {
      let changes = RowChanges(from: WorkingSet(next: .root), to: try Self.memory(nodes, on: known))
      for statement in changes.statements(limboLimit: 0) { _ = try transaction.run(statement) }
      let watches = nodes.flatMap(\.watches)
      guard !watches.isEmpty else { return }
      _ = try transaction.run(
        Statement(
          """
          INSERT INTO handlestore_watch (node, watcher, mask)
          SELECT node, watcher, mask FROM unnest($1, $2, $3) AS u (node, watcher, mask)
          """,
          [
            .integers(watches.map(\.node.signed)),
            .integers(watches.map { Int64(bitPattern: $0.watcher.rawValue) }),
            .integers(watches.map { Int64($0.mask.rawValue) }),
          ]))
    }
    count += nodes.count
  }

  func finish() throws {
    _ = try transaction.run(
      Statement(
        """
        INSERT INTO handlestore_limbo (node, is_reported)
        SELECT node, is_reported FROM unnest($1, $2) AS u (node, is_reported)
        """, [.integers(limbo.map(\.id.signed)), .booleans(limbo.map(\.isReported))]))
    _ = try transaction.run(
      Statement("UPDATE handlestore_store SET nodes = $1", [.integer(Int64(count))]))
  }

  /// The nodes as the engine in memory has them.
  private static func memory(
    _ nodes: [WholeNode], on known: KnownFilesystems
  ) throws -> MemoryNodes {
    var memory = MemoryNodes(next: .root)
    for node in nodes {
      let filesystem = node.record.filesystem
      var keys = [MemoryNodes.Key(node.handle, on: filesystem, try known.magic(filesystem))]
      if let inode = node.inode { keys.append(.hint(filesystem, inode.number)) }
      var entry = MemoryNodes.Entry(record: node.record, handle: node.handle, keys: keys)
      entry.furtherParents = Set(node.furtherParents)
      if node.record.state == .live {
        memory.index[keys[0]] = node.id
        if node.inode?.isHint ?? false { memory.index[keys[1]] = node.id }
      }
      for alias in node.aliases {
        let key = MemoryNodes.Key(
          alias.handle, on: alias.filesystem, try known.magic(alias.filesystem))
        memory.aliases[key] = alias
        entry.aliasKeys.append(key)
      }
      memory.entries[node.id] = entry
    }
    return memory
  }

  /// Turns the errors of the database into those that a user gets.
  private func describing(_ body: () throws -> Void) throws(StoreError) {
    do {
      try body()
    } catch {
      throw StoreError(ofPostgres: error)
    }
  }
}
