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

  /// Each column of a row costs both sides time. So one number has what is small: the type of the
  /// handle, the filesystem in two bytes, and in the last two, in bits of its own each, the file's
  /// type and the state.
  private static let nodeColumns = """
    n.id, n.parent, n.since, \
    (n.handle_type::bigint << 32) | (n.filesystem::bigint << 16) | n.type | n.state, n.handle
    """

  /// What a change depends on, too. Only a file with several names has further parents.
  private static let allColumns = """
    \(nodeColumns), n.version::bigint, n.hint, \
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
      SELECT \(allColumns), k.key, \(aliasColumns)
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
        "SELECT \(allColumns) FROM handlestore_node n WHERE n.id = ANY ($1)", [numbers]),
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

  /// What finds the nodes that have some keys, without their aliases and further parents.
  static func nodes(of keys: [MemoryNodes.Key]) -> Statement {
    Statement(
      """
      SELECT \(nodeColumns) FROM handlestore_key k
        CROSS JOIN LATERAL (SELECT * FROM handlestore_node WHERE id = k.node OFFSET 0) n
      WHERE k.key = ANY ($1)
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
      [.integer(Int64(clamping: ids.lowerBound)), .integer(Int64(clamping: ids.upperBound))])
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
      guard let key = rows.bytes(row, 8).flatMap({ byBytes[$0] }) else { continue }
      if let alias = Alias(of: id, rows, row, from: 9) {
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
    versions[id] = rows.integer(row, 5)
    if let inode = rows.integer(row, 6) {
      entry.keys.append(.hint(entry.record.filesystem, UInt64(bitPattern: inode)))
    }
    for directory in rows.integers(row, 7) ?? [] {
      entry.furtherParents.insert(NodeID(signed: directory))
    }
    nodes.entries[id] = entry
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

  /// Returns the node in a row that begins with the columns of a node, without the key of its hint.
  func entry(
    _ row: Int, on known: KnownFilesystems
  ) throws -> (NodeID, MemoryNodes.Entry) {
    let (id, record, handle) = try record(row)
    let key = MemoryNodes.Key(
      handle, on: record.filesystem, try known.magic(record.filesystem))
    return (id, MemoryNodes.Entry(record: record, handle: handle, keys: [key]))
  }

  /// Returns what the cache keeps of the node in a row that begins with the columns of a node.
  func cacheEntry(_ row: Int) throws -> LocalCache.Entry {
    let (id, record, handle) = try record(row)
    return LocalCache.Entry(id, record, handle)
  }

  /// Returns the record in a row that begins with the columns of a node, and its handle.
  func record(_ row: Int) throws -> (NodeID, Record, KernelFileHandle) {
    guard let id = node(row, 0), let since = integer(row, 2), let kinds = integer(row, 3),
      let state = UInt8(exactly: kinds & 0xfff).flatMap({ NodeState(rawValue: $0) }),
      let handle = handle(row, type: kinds >> 32, bytes: 4)
    else { throw StoreError.damaged("a row of handlestore_node makes no sense") }
    var record = Record(
      handle: handle, filesystem: FilesystemID(rawValue: UInt16(kinds >> 16 & 0xffff)),
      type: FileType(rawValue: UInt32(kinds & 0xf000)), parent: node(row, 1),
      since: UInt32(truncatingIfNeeded: since))
    record.enter(state, at: record.since)
    return (id, record, handle)
  }

  fileprivate func handle(_ row: Int, type: Int64, bytes column: Int) -> KernelFileHandle? {
    let type = HandleType(rawValue: Int32(truncatingIfNeeded: type))
    return withBytes(row, column) { KernelFileHandle(type: type, bytes: $0) } ?? nil
  }
}

extension Alias {
  /// The alias of a node in a row that has the columns of an alias from `column` on; `nil` if they
  /// are empty.
  fileprivate init?(of node: NodeID, _ rows: Rows, _ row: Int, from column: Int) {
    guard let since = rows.integer(row, column), let type = rows.integer(row, column + 2),
      let filesystem = rows.integer(row, column + 3),
      let handleType = rows.integer(row, column + 1),
      let handle = rows.handle(row, type: handleType, bytes: column + 4)
    else { return nil }
    self.init(
      node: node, filesystem: FilesystemID(rawValue: UInt16(truncatingIfNeeded: filesystem)),
      handle: handle, type: FileType(rawValue: UInt32(truncatingIfNeeded: type)),
      since: UInt32(truncatingIfNeeded: since))
  }
}
