internal import SystemPackage

/// Reads the rows of a store's tables from their bytes. Each call returns `nil` unless the row is
/// intact.
extension Record {
  init?(_ bytes: ArraySlice<UInt8>, for id: NodeID) {
    guard bytes.count == Self.size else { return nil }
    self.init()
    for i in 0..<6 { words[i] = bytes.word(8 * i) }
    guard isIntact(for: id) else { return nil }
  }
}

extension SpilledHandle {
  static let maximumSize = headerSize + KernelFileHandle.maximumLength

  init?(_ bytes: ArraySlice<UInt8>, for id: NodeID) {
    guard bytes.count <= Self.maximumSize else { return nil }
    self.init()
    for i in 0..<17 { words[i] = bytes.word(8 * i) }
    guard isIntact(size: bytes.count, for: id) else { return nil }
  }
}

extension FilesystemRecord {
  static func decode(_ bytes: ArraySlice<UInt8>, _ key: UInt64) -> KnownFilesystem? {
    guard (1...UInt64(FilesystemID.maximum)).contains(key) else { return nil }
    var packed = PackedBytes(size: bytes.count)
    for i in packed.words.indices { packed.words[i] = bytes.word(8 * i) }
    return decode(packed, FilesystemID(rawValue: UInt16(key)))
  }
}

extension NumberPair {
  /// The bytes of the key.
  var bytes: ArraySlice<UInt8> {
    (words[0].littleEndianBytes + words[1].littleEndianBytes)[...]
  }
}

extension IndexKey {
  /// Returns the hash of a key, given its bytes.
  static func hash(_ key: ArraySlice<UInt8>) -> UInt64 {
    var words = InlineArray<18, UInt64>(repeating: 0)
    for i in 0..<min((key.count + 7) / 8, 18) { words[i] = key.word(8 * i) }
    return Checksum.wide(words.span, 0..<min(key.count, 144), seed: 0)
  }

  /// The bytes of the key.
  var bytes: ArraySlice<UInt8> { (0..<size).map { words[$0 >> 3][byte: $0] }[...] }
}

extension LeafEntry {
  /// The key as two numbers.
  var pair: NumberPair {
    NumberPair(UInt64(bigEndian: key.word(0)), UInt64(bigEndian: key.word(8)))
  }
}

extension PageFile {
  /// Reads an entry of the table `watches`.
  func watch(_ entry: LeafEntry) -> Watch? {
    guard entry.key.count == Watch.keySize,
      let bytes = try? value(of: entry, limit: Watch.valueSize), bytes.count == Watch.valueSize
    else { return nil }
    return Watch(key: entry.pair, value: bytes.word(0))
  }

  /// Reads an entry of the table `limbo`.
  func limboRow(_ entry: LeafEntry) -> LimboRow? {
    guard entry.key.count == 8, let bytes = try? value(of: entry, limit: 8), bytes.count == 8
    else { return nil }
    let row = LimboRow(number: entry.number)
    return bytes.word(0) == row.value ? row : nil
  }

  /// Reads an entry of the table `places`.
  func place(_ entry: LeafEntry) -> Place? {
    guard entry.key.count == Place.keySize,
      let bytes = try? value(of: entry, limit: Place.valueSize), bytes.count == Place.valueSize
    else { return nil }
    return Place(key: entry.pair, value: bytes.word(0))
  }
}

extension AliasRow {
  /// Reads an entry of the table `aliases`.
  static func alias(_ entry: LeafEntry, in file: PageFile) -> Alias? {
    guard entry.key.count == 16, let bytes = try? file.value(of: entry, limit: maximumSize) else {
      return nil
    }
    var row = AliasRow()
    for i in 0..<18 { row.words[i] = bytes.word(8 * i) }
    return row.alias(size: bytes.count, key: entry.pair)
  }
}

extension IndexValue {
  init?(_ bytes: ArraySlice<UInt8>) {
    guard bytes.count == 8 || bytes.count == 16 else { return nil }
    let node = NodeID(rawValue: bytes.word(0))
    self = bytes.count == 8 ? IndexValue(node) : IndexValue(node, inode: bytes.word(8))
  }
}
