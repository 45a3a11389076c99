internal import SystemPackage

/// A row of the table `aliases` (Docs/Format.md). The key is the node and the hash of the alias's key
/// in the index.
///
/// ```
/// word 0   checksum 32 | handle type 32
/// word 1   filesystem 16 | file type 8 | handle length 8 | since 32
/// word 2…  the handle
/// ```
struct AliasRow: Stored {
  static let headerSize = 16
  static let maximumSize = headerSize + KernelFileHandle.maximumLength
  /// Makes the checksum of an alias differ from that of other rows.
  private static let seed: UInt64 = 0x414c_4941_5300_0000

  var words = InlineArray<18, UInt64>(repeating: 0)

  init() {}

  init(_ alias: Alias, for key: NumberPair) {
    words[0] = UInt64(UInt32(bitPattern: alias.handle.type.rawValue)) << 32
    words[1] =
      UInt64(alias.filesystem.rawValue) | UInt64(alias.type.rawValue >> 12) << 16
      | UInt64(alias.handle.length) << 24 | UInt64(alias.since) << 32
    for i in 0..<alias.handle.wordCount { words[2 + i] = alias.handle.words[i] }
    words[0] |= UInt64(checksum(for: key))
  }

  private var length: Int { Int(words[1] >> 24 & 0xff) }
  /// The size of the row in bytes.
  var size: Int { min(Self.headerSize + length, Self.maximumSize) }

  private func checksum(for key: NumberPair) -> UInt32 {
    let seed = Self.seed ^ key.first ^ key.second.byteSwapped
    return Checksum.of(words.span, 4..<size, seed: seed)
  }

  /// Returns the alias, if these `size` bytes are an undamaged row under this key.
  func alias(size: Int, key: NumberPair) -> Alias? {
    guard size == Self.headerSize + length, (1...KernelFileHandle.maximumLength).contains(length),
      UInt32(truncatingIfNeeded: words[0]) == checksum(for: key)
    else { return nil }
    var handle = InlineArray<16, UInt64>(repeating: 0)
    for i in 0..<16 { handle[i] = words[2 + i] }
    return Alias(
      node: NodeID(rawValue: key.first),
      filesystem: FilesystemID(rawValue: UInt16(words[1] & 0xffff)),
      handle: KernelFileHandle(
        type: HandleType(rawValue: Int32(truncatingIfNeeded: words[0] >> 32)), length: length,
        words: handle),
      type: FileType(rawValue: CInterop.Mode(words[1] >> 16 & 15) << 12),
      since: UInt32(words[1] >> 32))
  }
}

extension NumberPair {
  /// The key of an alias's row in the table `aliases`, given its key in the index.
  fileprivate init(aliasOf node: NodeID, under key: IndexKey) {
    self.init(node.rawValue, key.hash)
  }
}

extension Tables {
  /// Returns the alias that has a key in the index.
  func alias(
    under key: IndexKey, of node: NodeID, on magic: FilesystemMagic,
    in transaction: borrowing some Reading & ~Copyable
  ) throws -> Alias {
    let pair = NumberPair(aliasOf: node, under: key)
    var row = AliasRow()
    guard let size = try transaction.get(pair, from: aliases, into: &row),
      let alias = row.alias(size: size, key: pair),
      IndexKey(alias.handle, on: alias.filesystem, magic) == key
    else { throw StoreError.damaged("an alias of node \(node) is missing or wrong") }
    return alias
  }

  /// Calls `body` for the aliases from node `id` on, in the order of their nodes, until it returns
  /// `false`.
  func forEachAlias(
    from id: NodeID, in transaction: borrowing some Reading & ~Copyable,
    _ body: (Alias) throws -> Bool
  ) throws {
    // Most stores have no aliases.
    guard try transaction.statistics(aliases).entries > 0 else { return }
    var cursor = try Cursor(aliases, in: transaction)
    var more = try cursor.seek(NumberPair(id.rawValue, 0))
    while more {
      guard cursor.keySize == 16,
        let alias = cursor.value.alias(size: cursor.valueSize, key: cursor.key)
      else { throw StoreError.damaged("a row of the table `aliases` has a wrong checksum") }
      guard try body(alias) else { return }
      more = try cursor.next()
    }
  }

  func aliases(
    of id: NodeID, in transaction: borrowing some Reading & ~Copyable
  ) throws -> [Alias] {
    var found: [Alias] = []
    try forEachAlias(from: id, in: transaction) { alias in
      guard alias.node == id else { return false }
      found.append(alias)
      return true
    }
    return found
  }

  /// Adds an alias, and gives it its key in the index.
  func put(
    _ alias: Alias, under key: IndexKey, in transaction: borrowing WriteTransaction
  ) throws {
    let pair = NumberPair(aliasOf: alias.node, under: key)
    try transaction.put(AliasRow(alias, for: pair), for: pair, in: aliases)
    try transaction.put(IndexValue(aliasOf: alias.node), for: key, in: inodes)
  }

  /// Removes an alias, and its key from the index.
  func removeAlias(
    under key: IndexKey, of node: NodeID, in transaction: borrowing WriteTransaction
  ) throws {
    try transaction.remove(NumberPair(aliasOf: node, under: key), from: aliases)
    guard let value = try indexed(key, in: transaction), value.isAlias, value.node == node else {
      return
    }
    try transaction.remove(key, from: inodes)
  }
}
