/// A branch or leaf page whose header, offsets and nodes were checked to lie within it. So reading
/// a node is safe, whatever the bytes are.
///
/// ```
///  0 page number 64 | 8 pad 16 | 10 flags 16 | 12 lower 16 | 14 upper 16 | 16 offsets, 16 each
/// node   size or child 32 | flags, or the child's upper bits 16 | key size 16 | key | value
/// ```
struct Page {
  enum Flags {
    static let branch = 0x01
    static let leaf = 0x02
    static let overflow = 0x04
    static let meta = 0x08
  }

  static let headerSize = 16
  private static let nodeHeaderSize = 8

  let number: Int
  let bytes: [UInt8]
  let isLeaf: Bool
  /// The number of nodes, 1 or more.
  let count: Int

  init(_ bytes: [UInt8], number: Int) throws(PageFault) {
    guard bytes.int(at: 0) == number else { throw PageFault(number, "has another page's number") }
    let flags = bytes.uint16(at: 10)
    guard flags == Flags.branch || flags == Flags.leaf else {
      throw PageFault(number, "is neither a branch nor a leaf of a tree")
    }
    let (lower, upper) = (bytes.uint16(at: 12), bytes.uint16(at: 14))
    guard
      lower > Self.headerSize && lower.isMultiple(of: 2) && lower <= upper
        && upper <= bytes.count
    else { throw PageFault(number, "has impossible bounds") }
    self.number = number
    self.bytes = bytes
    isLeaf = flags == Flags.leaf
    count = (lower - Self.headerSize) / 2
    try requireNodes(from: upper)
  }

  /// Checks that each node lies at or after `upper`, and that the nodes together fill the page from
  /// there.
  private func requireNodes(from upper: Int) throws(PageFault) {
    var filled = 0
    for i in 0..<count {
      let offset = self.offset(i)
      guard
        offset >= upper && offset.isMultiple(of: 2)
          && offset + Self.nodeHeaderSize <= bytes.count
      else { throw PageFault(number, "has an entry outside the page") }
      let size = nodeSize(i)
      guard offset + size <= bytes.count && (!isLeaf || nodeFlags(i) <= 2) else {
        throw PageFault(number, "has an impossible entry")
      }
      filled += (size + 1) & ~1
    }
    guard filled == bytes.count - upper else {
      throw PageFault(number, "has entries that overlap or leave gaps")
    }
  }

  private func nodeSize(_ i: Int) -> Int {
    let key = Self.nodeHeaderSize + bytes.uint16(at: offset(i) + 6)
    guard isLeaf else { return key }
    return key + (nodeFlags(i) & 1 == 1 ? 8 : bytes.uint32(at: offset(i)))
  }

  private func offset(_ i: Int) -> Int { bytes.uint16(at: Self.headerSize + 2 * i) }
  private func nodeFlags(_ i: Int) -> Int { bytes.uint16(at: offset(i) + 4) }

  // MARK: Nodes

  /// Returns the range of a node's key in ``bytes``.
  func keyRange(_ i: Int) -> Range<Int> {
    let start = offset(i) + Self.nodeHeaderSize
    return start..<(start + bytes.uint16(at: offset(i) + 6))
  }

  /// Returns the key of a node. The key of a branch's first node means nothing.
  func key(_ i: Int) -> ArraySlice<UInt8> { bytes[keyRange(i)] }

  /// Returns the number of the page below a branch's node.
  func child(_ i: Int) -> Int {
    bytes.uint32(at: offset(i)) | bytes.uint16(at: offset(i) + 4) << 32
  }

  /// Returns where the value of a leaf's node is.
  func value(_ i: Int) -> LeafValue {
    let start = keyRange(i).upperBound
    let size = bytes.uint32(at: offset(i))
    switch nodeFlags(i) {
    case 0: return .inline(start..<(start + size))
    case 1: return .overflow(page: bytes.int(at: start), size: size)
    default: return .tree(start..<(start + size))
    }
  }
}

/// Where the value of an entry is.
enum LeafValue {
  case inline(Range<Int>)
  /// On pages of its own, from byte 16 on.
  case overflow(page: Int, size: Int)
  /// The record of a tree, in the table of the tables.
  case tree(Range<Int>)
}

/// An entry of a leaf.
struct LeafEntry {
  let page: Page
  let index: Int

  var key: ArraySlice<UInt8> { page.key(index) }
  var value: LeafValue { page.value(index) }

  /// The key as a number, for a table with integer keys.
  var number: UInt64 { key.word(0) }
}

/// Why a page is not what it should be. `reason` continues a sentence that begins with the page.
struct PageFault: Error {
  let page: Int
  let reason: String

  init(_ page: Int, _ reason: String) {
    self.page = page
    self.reason = reason
  }
}
