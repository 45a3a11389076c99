/// A further parent: a directory, other than the one in the record, in which a file with several
/// names was seen. It is a row of the table `places`. The key consists of the ids of the node and of
/// the directory's node, and the value is a checksum (Docs/Format.md).
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

  /// Decodes a row; `nil` if the checksum is wrong.
  init?(key: NumberPair, value: UInt64) {
    self.init(NodeID(rawValue: key.first), in: NodeID(rawValue: key.second))
    guard value == self.value else { return nil }
  }

  var key: NumberPair { NumberPair(node.rawValue, directory.rawValue) }

  var value: UInt64 {
    let words: InlineArray<2, UInt64> = [node.rawValue, directory.rawValue]
    return UInt64(Checksum.of(words.span, 0..<16, seed: Self.seed))
  }
}

extension Tables {
  func has(_ place: Place, in transaction: borrowing some Reading & ~Copyable) throws -> Bool {
    var value: UInt64 = 0
    return try transaction.get(place.key, from: places, into: &value) != nil
  }

  /// Returns the further parents of a node.
  func places(
    of id: NodeID, in transaction: borrowing some Reading & ~Copyable
  ) throws -> [Place] {
    // Most stores have no further parents.
    guard try transaction.statistics(places).entries > 0 else { return [] }
    var cursor = try Cursor(places, in: transaction)
    var more = try cursor.seek(NumberPair(id.rawValue, 0))
    var found: [Place] = []
    while more {
      guard cursor.keySize == Place.keySize, cursor.valueSize == Place.valueSize,
        let place = Place(key: cursor.key, value: cursor.value)
      else { throw StoreError.damaged("a row of the table `places` has a wrong checksum") }
      guard place.node == id else { break }
      found.append(place)
      more = try cursor.next()
    }
    return found
  }

  /// Adds a place, unless the table has it.
  func put(_ place: Place, in transaction: borrowing WriteTransaction) throws {
    var existing: UInt64 = 0
    _ = try transaction.insert(place.value, for: place.key, in: places, existing: &existing)
  }

  func removeFurtherParents(of id: NodeID, in transaction: borrowing WriteTransaction) throws {
    for place in try places(of: id, in: transaction) {
      try transaction.remove(place.key, from: places)
    }
  }
}
