/// A watch as a row of the table `watches`: the key is the node and the watcher, big-endian; the
/// value is one word (Docs/Format.md).
///
/// ```
/// checksum 32 | mask 32
/// ```
extension Watch {
  static let keySize = 16
  static let valueSize = 8
  /// Makes the checksum of a watch differ from that of other rows.
  private static let seed: UInt64 = 0x5741_5443_4845_5300

  var key: NumberPair { NumberPair(node.rawValue, watcher.rawValue) }

  var value: UInt64 {
    let mask = UInt64(mask.rawValue)
    return mask << 32 | Self.checksum(key, mask: mask)
  }

  private static func checksum(_ key: NumberPair, mask: UInt64) -> UInt64 {
    let words: InlineArray<3, UInt64> = [key.first, key.second, mask]
    return UInt64(Checksum.of(words.span, 0..<24, seed: seed))
  }

  /// Decodes a row; `nil` if the checksum is wrong.
  init?(key: NumberPair, value: UInt64) {
    guard value & 0xffff_ffff == Self.checksum(key, mask: value >> 32) else { return nil }
    self.init(
      node: NodeID(rawValue: key.first), watcher: WatcherID(rawValue: key.second),
      mask: WatchMask(rawValue: UInt32(value >> 32)))
  }
}

/// A row of the table `limbo`: a number and its checksum (Docs/Format.md).
///
/// | number | meaning |
/// | --- | --- |
/// | 0 | watches were lost, and no caller has been told yet |
/// | a node id | the node is stale and watched, and has been reported |
/// | a node id + 2⁶³ | the node is stale and watched, and has not been reported yet |
///
/// So reported nodes come first, each group in the order of ids. The first row after the overflow
/// is the node that loses its watches first.
struct LimboRow: Equatable {
  static let overflow = LimboRow(number: 0)
  private static let unreportedBit: UInt64 = 1 << 63
  private static let seed: UInt64 = 0x4c49_4d42_4f00_0000

  let number: UInt64

  init(number: UInt64) { self.number = number }

  init(_ node: NodeID, isReported: Bool) {
    number = isReported ? node.rawValue : node.rawValue | Self.unreportedBit
  }

  /// The lowest possible row that is still to be reported.
  static let firstUnreported = LimboRow(number: unreportedBit)

  var node: NodeID { NodeID(rawValue: number & ~Self.unreportedBit) }
  var isReported: Bool { number & Self.unreportedBit == 0 }

  var value: UInt64 {
    let words: InlineArray<1, UInt64> = [number]
    return UInt64(Checksum.of(words.span, 0..<8, seed: Self.seed))
  }
}
