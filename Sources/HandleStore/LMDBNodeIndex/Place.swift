/// A further directory in which a file with several names was seen, besides the one in its record:
/// a row of the table `places`. The key is the ids of the node and of the directory's node,
/// big-endian, and the value is a checksum (Docs/Format.md).
///
/// A place says where to look for a name. The file need not have a name there any more.
struct Place: Equatable {
  static let keySize = 16
  static let valueSize = 8
  private static let seed: UInt64 = 0x504c_4143_4500_0000

  let node: NodeID
  let directory: NodeID

  init(_ node: NodeID, in directory: NodeID) {
    self.node = node
    self.directory = directory
  }

  /// Decodes a row from the two words of its key, as they are stored, and its value; `nil` if the
  /// checksum is wrong.
  init?(key: (UInt64, UInt64), value: UInt64) {
    self.init(
      NodeID(rawValue: UInt64(bigEndian: key.0)), in: NodeID(rawValue: UInt64(bigEndian: key.1)))
    guard value == self.value else { return nil }
  }

  var key: InlineArray<2, UInt64> { [node.rawValue.bigEndian, directory.rawValue.bigEndian] }

  var value: UInt64 {
    let words: InlineArray<2, UInt64> = [node.rawValue, directory.rawValue]
    return UInt64(Checksum.of(words.span, 0..<16, seed: Self.seed))
  }
}

/// Reads of the table `places`.
extension Reading where Self: ~Copyable {
  func has(_ place: Place, _ tables: Tables) throws -> Bool {
    var value: InlineArray<1, UInt64> = [0]
    var words = value.mutableSpan
    return try get(tables.places, place.key.span, Place.keySize, into: &words) != nil
  }

  /// Returns the further places of a node.
  func places(of id: NodeID, _ tables: Tables) throws -> [Place] {
    // Most stores have none.
    guard try statistics(tables.places).entries > 0 else { return [] }
    var cursor = try cursor(tables.places)
    let first = Place(id, in: NodeID(rawValue: 0)).key
    var more = try cursor.seek(first.span, Place.keySize)
    var places: [Place] = []
    while more, case let place = try cursor.place(), place.node == id {
      places.append(place)
      more = try cursor.next()
    }
    return places
  }
}

extension Cursor {
  /// Returns the row of the table `places` that the cursor is at.
  fileprivate func place() throws -> Place {
    var key: InlineArray<2, UInt64> = [0, 0]
    var value: InlineArray<1, UInt64> = [0]
    var keyWords = key.mutableSpan
    var words = value.mutableSpan
    guard copyKey(into: &keyWords) == Place.keySize, copyValue(into: &words) == Place.valueSize,
      let place = Place(key: (key[0], key[1]), value: value[0])
    else { throw StoreError.damaged("a row of the table `places` has a wrong checksum") }
    return place
  }
}

extension WriteTransaction {
  /// Adds a place, unless the table has it.
  func put(_ place: Place, _ tables: Tables) throws {
    let value: InlineArray<1, UInt64> = [place.value]
    var existing: InlineArray<1, UInt64> = [0]
    var words = existing.mutableSpan
    _ = try insert(
      tables.places, place.key.span, Place.keySize, value.span, Place.valueSize, existing: &words)
  }

  func removeFurtherParents(of id: NodeID, _ tables: Tables) throws {
    for place in try places(of: id, tables) {
      try remove(tables.places, place.key.span, Place.keySize)
    }
  }
}
