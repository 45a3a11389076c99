internal import SystemPackage

/// The rows that a repair found, by the id of their node. They stand in an LMDB environment of
/// their own, because there may be more of them than memory can hold.
final class Harvest {
  /// A kind of row.
  enum Kind: Int, CaseIterable {
    /// A node's ``Record``.
    case node
    /// A ``SpilledHandle``.
    case spilled
    /// For a node with an opaque handle, its `st_ino` and the hash of the index key under which the
    /// index had it.
    case inode
    /// A ``Watch``: the lower half of its key is the watcher.
    case watch
    /// A ``LimboRow``, by its number.
    case limbo
    /// A ``Place``: the lower half of its key is the directory.
    case place
    /// An ``AliasRow``: the lower half of its key is the hash of the alias's key in the index.
    case alias
  }

  struct Row {
    let kind: Kind
    let id: UInt64
    /// The lower half of the key, if a node can have several rows of this kind; otherwise 0.
    var minor: UInt64 = 0
    var words: [UInt64]
    /// The size in bytes.
    let size: Int
  }

  /// What to do with a second row of the same key and kind.
  enum Policy {
    /// Keep the first row.
    case first
    /// Keep the row if both are equal. Otherwise keep neither, because either may be wrong.
    case unanimous
  }

  /// The words of a row.
  fileprivate struct Value: Stored {
    var words: [UInt64]
    var size: Int

    init(words: [UInt64], size: Int) {
      self.words = words
      self.size = size
    }

    init() { self.init(words: [UInt64](repeating: 0, count: 18), size: 18 * 8) }
  }

  private static let batch = 4096
  let policy: Policy
  private let environment: Environment
  private let tables: [Table<NumberPair, Value>]
  private var pending: [Row] = []

  init(in directory: OpenDirectory, _ policy: Policy) throws {
    self.policy = policy
    var mode = EnvironmentMode()
    mode.noSync = true
    environment = try Environment(
      directory: directory, mode: mode, mapSize: Environment.initialMapSize,
      tables: UInt32(Kind.allCases.count))
    tables = try environment.openTables(
      Kind.allCases.map { ("\($0)", integerKeys: false) }, create: true
    ).map { Table(dbi: $0) }
  }

  deinit {
    environment.stop()
    environment.close(trimming: false)
  }

  // MARK: Writing

  func add(_ row: Row) throws {
    pending.append(row)
    if pending.count >= Self.batch { try flush() }
  }

  /// Writes the rows that were added.
  func flush() throws {
    let rows = pending
    pending = []
    try environment.commit { transaction in
      for row in rows { try self.put(row, transaction) }
    }
  }

  private func put(_ row: Row, _ transaction: borrowing WriteTransaction) throws {
    let table = tables[row.kind.rawValue]
    var existing = Value()
    let found = try transaction.insert(
      Value(words: row.words, size: row.size), for: row.key, in: table, existing: &existing)
    guard policy == .unanimous, let found,
      found != row.size || !row.words.elementsEqual(existing.words.prefix(row.words.count))
    else { return }
    // A row of zeros is never intact, so it stands for no row.
    let none = [UInt64](repeating: 0, count: row.words.count)
    try transaction.put(Value(words: none, size: row.size), for: row.key, in: table)
  }

  // MARK: Reading

  /// Returns a row of a node, or `nil` if there is none.
  func row(_ kind: Kind, of id: UInt64, minor: UInt64 = 0) throws -> Row? {
    guard let transaction = try environment.read() else { return nil }
    let key = NumberPair(id, minor)
    var value = Value()
    guard let size = try transaction.get(key, from: tables[kind.rawValue], into: &value) else {
      return nil
    }
    return Row(kind, key, value, size: size)
  }

  /// Returns up to a batch of rows in key order, starting after the row `last`.
  private func rows(_ kind: Kind, behind last: Row?) throws -> [Row] {
    guard let transaction = try environment.read() else { return [] }
    var cursor = try Cursor(tables[kind.rawValue], in: transaction)
    var more = try cursor.seek(last?.key ?? NumberPair())
    if more && last != nil { more = try cursor.next() }
    var rows: [Row] = []
    while more && rows.count < Self.batch {
      rows.append(Row(kind, cursor.key, cursor.value, size: cursor.valueSize))
      more = try cursor.next()
    }
    return rows
  }

  /// Passes all rows of a kind to `body`, a batch at a time, in key order.
  func forEachBatch(_ kind: Kind, _ body: ([Row]) throws -> Void) throws {
    var rows = try rows(kind, behind: nil)
    while let last = rows.last {
      try body(rows)
      rows = try self.rows(kind, behind: last)
    }
  }
}

extension Harvest.Row {
  fileprivate init(
    _ kind: Harvest.Kind, _ key: NumberPair, _ value: Harvest.Value, size: Int
  ) {
    self.init(
      kind: kind, id: key.first, minor: key.second,
      words: Array(value.words.prefix((size + 7) / 8)), size: size)
  }

  var key: NumberPair { NumberPair(id, minor) }

  init(_ id: NodeID, _ record: Record) {
    self.init(
      kind: .node, id: id.rawValue, words: (0..<6).map { record.words[$0] }, size: Record.size)
  }

  init(_ id: NodeID, _ spilled: SpilledHandle) {
    let count = (spilled.size + 7) / 8
    self.init(
      kind: .spilled, id: id.rawValue, words: (0..<count).map { spilled.words[$0] },
      size: spilled.size)
  }

  init(_ id: NodeID, inode: UInt64, keyHash: UInt64) {
    self.init(kind: .inode, id: id.rawValue, words: [inode, keyHash], size: 16)
  }

  init(_ watch: Watch) {
    self.init(
      kind: .watch, id: watch.node.rawValue, minor: watch.watcher.rawValue, words: [watch.value],
      size: Watch.valueSize)
  }

  init(_ row: LimboRow) {
    self.init(kind: .limbo, id: row.number, words: [row.value], size: 8)
  }

  init(_ place: Place) {
    self.init(
      kind: .place, id: place.node.rawValue, minor: place.directory.rawValue,
      words: [place.value], size: Place.valueSize)
  }

  init(_ alias: Alias, under key: NumberPair) {
    let row = AliasRow(alias, for: key)
    self.init(
      kind: .alias, id: key.first, minor: key.second,
      words: (0..<(row.size + 7) / 8).map { row.words[$0] }, size: row.size)
  }

  /// The alias, or `nil` if the row is not an intact one.
  var alias: Alias? {
    guard size <= AliasRow.maximumSize else { return nil }
    var row = AliasRow()
    for i in words.indices { row.words[i] = words[i] }
    return row.alias(size: size, key: key)
  }

  /// The place, or `nil` if the row is not an intact one.
  var place: Place? { Place(key: key, value: words[0]) }

  /// The watch, or `nil` if the row is not an intact one.
  var watch: Watch? { Watch(key: key, value: words[0]) }

  /// The record, or `nil` if the row is not an intact one.
  var record: Record? {
    guard size == Record.size else { return nil }
    var record = Record()
    for i in 0..<6 { record.words[i] = words[i] }
    return record.isIntact(for: NodeID(rawValue: id)) ? record : nil
  }

  /// Returns the spilled handle of the node with this record, or `nil` if the row is not an intact
  /// one or does not match the record.
  func handle(of record: Record) -> KernelFileHandle? {
    guard size <= SpilledHandle.maximumSize else { return nil }
    var spilled = SpilledHandle()
    for i in words.indices { spilled.words[i] = words[i] }
    guard spilled.length == record.handleLength else { return nil }
    return spilled.handle(type: record.handleType, size: size, for: NodeID(rawValue: id))
  }
}

extension Environment {
  /// Commits what `body` writes. If the map is full, grows it and calls `body` again.
  func commit(_ body: (borrowing WriteTransaction) throws -> Void) throws {
    var growths = 0
    while true {
      do {
        let transaction = try write()
        try body(transaction)
        return try transaction.commit()
      } catch let error as LMDBError where error == .mapFull {
        try grow(after: growths)
        growths += 1
      } catch let error as LMDBError {
        throw meaning(of: error)
      }
    }
  }
}
