internal import HandleStore
internal import SystemPackage

/// A part of the nodes, as the database had it: those on which one change is decided.
///
/// The engine in memory decides the change on a copy of it (``MemoryNodes``), and ``RowChanges``
/// says what the change did to the rows.
struct WorkingSet {
  var nodes: MemoryNodes
  /// The version of each node's row.
  private(set) var versions: [NodeID: Int64] = [:]
  /// The keys that were looked for: whether somebody has them, and who, is known. Of all other keys
  /// it is assumed that a live node has its own.
  private(set) var soughtKeys: Set<MemoryNodes.Key> = []

  /// - Parameter next: the id that the next new node gets.
  init(next: NodeID) { nodes = MemoryNodes(next: next) }

  /// What is found if nobody has the keys.
  init(next: NodeID, without keys: [MemoryNodes.Key]) {
    self.init(next: next)
    soughtKeys = Set(keys)
  }

  // MARK: Looking for nodes

  private static let nodeColumns = """
    n.id, n.version::bigint, n.parent, n.hint, n.since, n.handle_type::bigint, n.type::bigint, \
    n.filesystem::bigint, n.state::bigint, n.handle
    """

  /// The further parents, too. Only a file with several names has any.
  private static let placeColumn = """
    ARRAY(SELECT p.directory FROM handlestore_place p WHERE p.node = n.id)
    """

  private static let aliasColumns = """
    a.since, a.handle_type::bigint, a.type::bigint, a.filesystem::bigint, a.handle
    """

  /// What finds the nodes that have some keys, and the nodes with some ids.
  static func statements(keys: [MemoryNodes.Key], ids: [NodeID]) -> [Statement] {
    (keys.isEmpty ? [] : [owners(of: keys)]) + (ids.isEmpty ? [] : nodes(ids))
  }

  /// `OFFSET 0` keeps the order of the joins: each node and alias is looked up by its key.
  private static func owners(of keys: [MemoryNodes.Key]) -> Statement {
    Statement(
      """
      SELECT \(nodeColumns), \(placeColumn), k.key, \(aliasColumns)
      FROM handlestore_key k
        CROSS JOIN LATERAL (SELECT * FROM handlestore_node WHERE id = k.node OFFSET 0) n
        LEFT JOIN LATERAL (
          SELECT * FROM handlestore_alias WHERE k.is_alias AND node = k.node AND key = k.key OFFSET 0
        ) a ON true
      WHERE k.key = ANY ($1)
      """, [.byteStrings(keys.map(\.bytes))])
  }

  private static func nodes(_ ids: [NodeID]) -> [Statement] {
    let numbers = Parameter.integers(ids.map(\.signed))
    return [
      Statement(
        "SELECT \(nodeColumns), \(placeColumn) FROM handlestore_node n WHERE n.id = ANY ($1)",
        [numbers]),
      Statement(
        "SELECT a.node, \(aliasColumns) FROM handlestore_alias a WHERE a.node = ANY ($1)", [numbers]
      ),
    ]
  }

  /// What finds a node by itself, without its aliases and further parents.
  static func node(_ id: NodeID) -> Statement {
    Statement(
      "SELECT \(nodeColumns) FROM handlestore_node n WHERE n.id = $1", [.integer(id.signed)])
  }

  /// What finds the nodes that have some keys, each with the place of its key, from 1.
  static func nodes(of keys: [MemoryNodes.Key]) -> Statement {
    Statement(
      """
      SELECT \(nodeColumns), u.place
      FROM unnest($1) WITH ORDINALITY AS u (key, place)
        CROSS JOIN LATERAL (SELECT node FROM handlestore_key WHERE key = u.key OFFSET 0) k
        CROSS JOIN LATERAL (SELECT * FROM handlestore_node WHERE id = k.node OFFSET 0) n
      """, [.byteStrings(keys.map(\.bytes))])
  }

  /// What finds a page of nodes, in the order of their ids.
  static func page(from start: NodeID, limit: Int, onlyStale: Bool) -> Statement {
    let condition = onlyStale ? "n.id >= $1 AND \(Schema.isStale)" : "n.id >= $1"
    return Statement(
      "SELECT \(nodeColumns) FROM handlestore_node n WHERE \(condition) ORDER BY n.id LIMIT $2",
      [.integer(start.signed), .integer(Int64(limit))])
  }

  /// What finds the nodes with some consecutive ids.
  static func nodes(in ids: Range<UInt64>) -> Statement {
    Statement(
      "SELECT \(nodeColumns) FROM handlestore_node n WHERE n.id >= $1 AND n.id < $2",
      [.integer(Int64(ids.lowerBound)), .integer(Int64(ids.upperBound))])
  }

  /// Takes up what the statements found.
  ///
  /// - Throws: ``StoreError/unknownFilesystem(_:)`` if a node's filesystem is not among `known`.
  init(
    next: NodeID, keys: [MemoryNodes.Key], _ found: [Rows], on known: KnownFilesystems
  ) throws {
    self.init(next: next)
    soughtKeys = Set(keys)
    var found = found[...]
    if !keys.isEmpty { try addOwners(of: keys, found.removeFirst(), on: known) }
    if let nodes = found.popFirst(), let aliases = found.popFirst() {
      for row in 0..<nodes.count { _ = try addNode(nodes, row, on: known) }
      try addAliases(aliases, on: known)
    }
    assumeOwnKeys()
  }

  private mutating func addOwners(
    of keys: [MemoryNodes.Key], _ rows: Rows, on known: KnownFilesystems
  ) throws {
    let byBytes = Dictionary(keys.map { ($0.bytes, $0) }) { first, _ in first }
    for row in 0..<rows.count {
      let id = try addNode(rows, row, on: known)
      guard let key = rows.bytes(row, 11).flatMap({ byBytes[$0] }) else { continue }
      if let alias = Alias(of: id, rows, row, from: 12) {
        add(alias, under: key)
      } else {
        nodes.index[key] = id
      }
    }
  }

  private mutating func addAliases(_ rows: Rows, on known: KnownFilesystems) throws {
    for row in 0..<rows.count {
      guard let id = rows.node(row, 0), let alias = Alias(of: id, rows, row, from: 1)
      else { continue }
      let magic = try known.magic(alias.filesystem)
      add(alias, under: MemoryNodes.Key(alias.handle, on: alias.filesystem, magic))
    }
  }

  private mutating func addNode(
    _ rows: Rows, _ row: Int, on known: KnownFilesystems
  ) throws -> NodeID {
    var (id, entry) = try rows.entry(row, on: known)
    guard nodes.entries[id] == nil else { return id }
    for directory in rows.integers(row, 10) ?? [] {
      entry.furtherParents.insert(NodeID(signed: directory))
    }
    nodes.entries[id] = entry
    versions[id] = rows.integer(row, 1)
    return id
  }

  private mutating func add(_ alias: Alias, under key: MemoryNodes.Key) {
    guard nodes.aliases.updateValue(alias, forKey: key) == nil else { return }
    nodes.entries[alias.node]?.aliasKeys.append(key)
  }

  private mutating func assumeOwnKeys() {
    for (id, entry) in nodes.entries where entry.record.state == .live {
      for key in entry.keys where !soughtKeys.contains(key) && nodes.aliases[key] == nil {
        nodes.index[key] = id
      }
    }
  }
}

// MARK: Rows

extension NodeID {
  /// The number as the database has it: it knows only signed numbers.
  var signed: Int64 { Int64(bitPattern: rawValue) }

  init(signed: Int64) { self.init(rawValue: UInt64(bitPattern: signed)) }
}

extension Rows {
  func node(_ row: Int, _ column: Int) -> NodeID? {
    integer(row, column).map { NodeID(signed: $0) }
  }

  /// Returns the node in a row that begins with the columns of a node.
  func entry(
    _ row: Int, on known: KnownFilesystems
  ) throws -> (NodeID, MemoryNodes.Entry) {
    let (id, record, handle) = try record(row)
    let on = record.filesystem
    var keys = [MemoryNodes.Key(handle, on: on, try known.magic(on))]
    if let hint = integer(row, 3) { keys.append(.hint(on, UInt64(bitPattern: hint))) }
    return (id, MemoryNodes.Entry(record: record, handle: handle, keys: keys))
  }

  /// Returns what the cache keeps of the node in a row that begins with the columns of a node.
  func cacheEntry(_ row: Int) throws -> LocalCache.Entry {
    let (id, record, handle) = try record(row)
    return LocalCache.Entry(id, record, handle)
  }

  /// Returns the record in a row that begins with the columns of a node, and its handle.
  func record(_ row: Int) throws -> (NodeID, Record, KernelFileHandle) {
    guard let id = node(row, 0), let since = integer(row, 4), let type = integer(row, 6),
      let filesystem = integer(row, 7).flatMap({ UInt16(exactly: $0) }),
      let state = integer(row, 8).flatMap({ UInt8(exactly: $0) }).flatMap({
        NodeState(rawValue: $0)
      }),
      let handle = handle(row, type: 5, bytes: 9)
    else { throw StoreError.damaged("a row of handlestore_node makes no sense") }
    var record = Record(
      handle: handle, filesystem: FilesystemID(rawValue: filesystem),
      type: FileType(rawValue: UInt32(truncatingIfNeeded: type)),
      parent: node(row, 2), since: UInt32(truncatingIfNeeded: since))
    record.enter(state, at: record.since)
    return (id, record, handle)
  }

  fileprivate func handle(_ row: Int, type: Int, bytes: Int) -> KernelFileHandle? {
    guard let type = integer(row, type), let bytes = self.bytes(row, bytes) else { return nil }
    return KernelFileHandle(
      type: HandleType(rawValue: Int32(truncatingIfNeeded: type)), bytes: bytes)
  }
}

extension Alias {
  /// The alias of a node in a row that has the columns of an alias from `column` on; `nil` if they
  /// are empty.
  fileprivate init?(of node: NodeID, _ rows: Rows, _ row: Int, from column: Int) {
    guard let since = rows.integer(row, column), let type = rows.integer(row, column + 2),
      let filesystem = rows.integer(row, column + 3),
      let handle = rows.handle(row, type: column + 1, bytes: column + 4)
    else { return nil }
    self.init(
      node: node, filesystem: FilesystemID(rawValue: UInt16(truncatingIfNeeded: filesystem)),
      handle: handle, type: FileType(rawValue: UInt32(truncatingIfNeeded: type)),
      since: UInt32(truncatingIfNeeded: since))
  }
}
