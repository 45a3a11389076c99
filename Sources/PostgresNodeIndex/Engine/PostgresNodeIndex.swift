package import HandleStore
internal import Synchronization
package import SystemPackage

/// A ``NodeIndex`` in a PostgreSQL database, which several processes, on several hosts, use and
/// change at the same time: the gateways (Docs/Gateways.md).
package final class PostgresNodeIndex: NodeIndex {
  package let incarnation: UInt32
  package var cache: NodeCache? { local?.memory }
  package var isShared: Bool { true }
  package let filesystems = KnownFilesystems()
  /// A random number that the store was given when it was made.
  let number: UInt64
  let database: Database
  /// `nil` if the index is only read.
  let gateway: Gateway?
  private let isClosed = Atomic(false)
  let limboLimit: Int
  /// `nil` if the index keeps no nodes.
  let local: LocalCache?
  let readAhead: ReadAhead
  let registrations = CommitQueue<PendingFiles>()

  /// Joins the gateways of the store in a database, which is made if there is none.
  ///
  /// - Parameters:
  ///   - cacheDirectory: where to keep nodes for which memory has no room.
  ///   - isAsked: whether the others must ask this process before they drop nodes: it hands out ids.
  package init(
    _ conninfo: String, cache cacheDirectory: FilePath? = nil, gateway name: String,
    _ options: StoreOptions, lease: Duration, patience: Duration, isAsked: Bool = true
  ) throws(StoreError) {
    database = Database(conninfo, patience: patience)
    local = try LocalCache(size: options.cacheSize, in: cacheDirectory, filesystems)
    limboLimit = options.limboLimit
    readAhead = ReadAhead(cacheSize: options.cacheSize)
    do {
      let joined = try Gateway(
        name, of: database, cache: local, filesystems, lease: lease,
        isAsked ? options.retention : nil)
      (gateway, incarnation, number) = (joined, joined.incarnation, joined.number)
    } catch {
      local?.close()
      throw StoreError(ofPostgres: error)
    }
  }

  /// Opens the index for reading only. The process is no gateway: it keeps no nodes in memory.
  package init(reading conninfo: String, patience: Duration) throws(StoreError) {
    database = Database(conninfo, patience: patience)
    (local, gateway, limboLimit) = (nil, nil, 0)
    readAhead = ReadAhead(cacheSize: 0)
    do {
      // Without a second try: a user who mistyped something waits.
      (number, incarnation) = try database.numbers(on: try database.connect())
      try filesystems.take(database.read(Schema.filesystems))
    } catch {
      throw StoreError(ofPostgres: error)
    }
  }

  var isReadOnly: Bool { gateway == nil }

  /// The gateway, for a change.
  ///
  /// - Throws: ``StoreError/readOnly``.
  var writer: Gateway {
    get throws {
      guard let gateway else { throw StoreError.readOnly }
      return gateway
    }
  }

  package func close() throws {
    isClosed.store(true, ordering: .releasing)
    gateway?.close()
    database.close()
    local?.close()
  }

  package func describe(_ error: any Error) -> StoreError { StoreError(ofPostgres: error) }
}

// MARK: Reading

extension PostgresNodeIndex {
  package func node(_ id: NodeID) throws -> Node? {
    try requireOpen()
    if let node = local?.node(id) { return node }
    let tickets = local?.tickets()
    return try knowingFilesystems {
      let rows = try database.read(WorkingSet.node(id))
      guard rows.count > 0 else { return nil }
      let found = try rows.entry(0, on: filesystems).1
      if let tickets { try keep(rows, tickets) }
      // Memory has no room for a spilled handle, so the next call would miss the node again.
      if !found.record.isSpilled { readAhead(around: [id]) }
      return found.node(id)
    }
  }

  /// Returns the nodes with these ids.
  private func entries(ids: [NodeID]) throws -> [NodeID: MemoryNodes.Entry] {
    try set(keys: [], ids: ids).nodes.entries
  }

  private func set(keys: [MemoryNodes.Key], ids: [NodeID]) throws -> WorkingSet {
    try requireOpen()
    return try knowingFilesystems {
      let found = try database.read(WorkingSet.statements(keys: keys, ids: ids))
      return try WorkingSet(next: .root, keys: keys, found, on: filesystems)
    }
  }

  func requireOpen() throws {
    if let end = gateway?.end { throw end }
    if isClosed.load(ordering: .acquiring) { throw StoreError.closed }
  }

  /// Runs a body that reads nodes; if it meets a filesystem that another gateway has added, once
  /// more.
  private func knowingFilesystems<R>(_ body: () throws -> R) throws -> R {
    do {
      return try body()
    } catch StoreError.unknownFilesystem {
      try reloadFilesystems()
      return try body()
    }
  }

  package func node(of handle: KernelFileHandle, on filesystem: FilesystemID) throws -> Node? {
    let magic = try filesystems.magic(filesystem)
    let key = MemoryNodes.Key(handle, on: filesystem, magic)
    return try set(keys: [key], ids: []).nodes.node(of: handle, on: magic, key)
  }

  package func nodes(
    from start: NodeID, limit: Int, on filesystem: FilesystemID?, in state: NodeState?
  ) throws -> NodePage {
    try requireOpen()
    guard start.signed >= 0 else { return NodePage(nodes: [], next: nil) }
    let most = min(limit, Self.longestPage / 16) * 16
    return try knowingFilesystems {
      let rows = try database.read(
        WorkingSet.page(from: start, limit: most + 1, onlyStale: state == .stale))
      var found: [Node] = []
      for row in 0..<rows.count {
        let (id, entry) = try rows.entry(row, on: filesystems)
        if found.count == limit || row == most { return NodePage(nodes: found, next: id) }
        if filesystem ?? entry.record.filesystem == entry.record.filesystem
          && state ?? entry.record.state == entry.record.state
        {
          found.append(entry.node(id))
        }
      }
      return NodePage(nodes: found, next: nil)
    }
  }

  /// How many rows a page looks at, at most.
  private static let longestPage = 16_384

  package func aliases(from start: NodeID, nodes limit: Int) throws -> AliasPage {
    try requireOpen()
    guard start.signed >= 0 else { return AliasPage(aliases: [], next: nil) }
    let rows = try database.read(
      Statement(
        "SELECT DISTINCT node FROM handlestore_alias WHERE node >= $1 ORDER BY node LIMIT $2",
        [.integer(start.signed), .integer(Int64(min(limit, Int.max - 1)) + 1)]))
    let ids = (0..<rows.count).compactMap { rows.node($0, 0) }
    let nodes = try set(keys: [], ids: Array(ids.prefix(limit))).nodes
    let aliases = ids.prefix(limit).flatMap { id in
      (nodes.entries[id]?.aliasKeys ?? []).compactMap { nodes.aliases[$0] }
    }
    return AliasPage(aliases: aliases, next: ids.count > limit ? ids[limit] : nil)
  }

  package func count() throws -> Int {
    try requireOpen()
    let rows = try database.read(Statement("SELECT \(Schema.count)"))
    return Int(rows.integer(0, 0) ?? 0)
  }

  package func furtherParents(of id: NodeID) throws -> [NodeID] {
    try entries(ids: [id])[id].map { $0.furtherParents.sorted() } ?? []
  }
}

// MARK: Removing

extension PostgresNodeIndex {
  package func retire(_ id: NodeID, ifItIs file: Node?) throws -> Bool {
    try writer.change(ids: [id], limboLimit: limboLimit) { nodes, _ in
      (try nodes.retire(id, ifItIs: file), [])
    }
  }

  package func remove(_ alias: Alias) throws -> Bool {
    let magic = try filesystems.magic(alias.filesystem)
    let key = MemoryNodes.Key(alias.handle, on: alias.filesystem, magic)
    return try writer.change(keys: [key], limboLimit: limboLimit) { nodes, _ in
      (nodes.remove(alias, key), [])
    }
  }
}

extension MemoryNodes.Entry {
  fileprivate func node(_ id: NodeID) -> Node {
    Node(id, record) ?? Node(id, record, spilled: handle)
  }
}
