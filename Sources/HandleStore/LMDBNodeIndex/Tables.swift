/// The tables of a store (Docs/Format.md), and the calls that read and write their rows. Each row
/// that is read is checked; a damaged one is an error.
struct Tables: Sendable {
  let nodes: Table<NodeID, Record>
  let inodes: Table<IndexKey, IndexValue>
  /// The handles that a record has no room for.
  let spill: Table<NodeID, SpilledHandle>
  let filesystems: Table<FilesystemID, PackedBytes>
  /// `store` → the number in the state file.
  let meta: Table<UInt64, UInt64>
  /// Node, watcher → ``Watch/value``.
  let watches: Table<NumberPair, UInt64>
  /// ``LimboRow/number`` → ``LimboRow/value``.
  let limbo: Table<UInt64, UInt64>
  /// Node, directory → ``Place/value``.
  let places: Table<NumberPair, UInt64>
  /// Node, hash of the alias's key in the index → ``AliasRow``.
  let aliases: Table<NumberPair, AliasRow>

  /// The number of named LMDB databases.
  static let count: UInt32 = 9
  /// The bytes `store` and three zeros.
  static let storeKey: UInt64 = 0x65_726f_7473

  /// Opens the tables. Makes the missing ones if `create` is set.
  init(_ environment: Environment, create: Bool) throws(LMDBError) {
    let tables = try environment.openTables(
      [
        ("nodes", integerKeys: true), ("inodes", integerKeys: false), ("spill", integerKeys: true),
        ("filesystems", integerKeys: true), ("meta", integerKeys: false),
        ("watches", integerKeys: false), ("limbo", integerKeys: true),
        ("places", integerKeys: false), ("aliases", integerKeys: false),
      ], create: create)
    nodes = Table(dbi: tables[0])
    inodes = Table(dbi: tables[1])
    spill = Table(dbi: tables[2])
    filesystems = Table(dbi: tables[3])
    meta = Table(dbi: tables[4])
    watches = Table(dbi: tables[5])
    limbo = Table(dbi: tables[6])
    places = Table(dbi: tables[7])
    aliases = Table(dbi: tables[8])
  }

  /// Writes the number of the state file into the data of a new store.
  func mark(_ environment: Environment, store: UInt64) throws(LMDBError) {
    let transaction = try environment.write()
    try transaction.put(store, for: Self.storeKey, in: meta)
    try transaction.commit()
  }

  /// Returns the number of the state file to which the data belong: 0 if the data have
  /// none, and `nil` if the environment was closed.
  func store(_ environment: Environment) throws(LMDBError) -> UInt64? {
    var store: UInt64 = 0
    guard let transaction = try environment.read() else { return nil }
    _ = try transaction.get(Self.storeKey, from: meta, into: &store)
    return store
  }
}

extension NodeID: Stored {
  init() { self.init(rawValue: 0) }

  var words: InlineArray<1, UInt64> {
    get { [rawValue] }
    set { self = NodeID(rawValue: newValue[0]) }
  }
  var size: Int { 8 }
}

extension FilesystemID: Stored {
  init() { self.init(rawValue: 0) }

  var words: InlineArray<1, UInt64> {
    get { [UInt64(rawValue)] }
    set { self = FilesystemID(rawValue: UInt16(truncatingIfNeeded: newValue[0])) }
  }
  var size: Int { 8 }
}
