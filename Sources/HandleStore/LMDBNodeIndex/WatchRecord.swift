/// A watch as a row of the table `watches`: the key is the node and the watcher, big-endian; the
/// value is one word (Docs/Format.md).
///
/// ```
/// checksum 32 | mask 32
/// ```
extension Watch {
  static let keySize = 16
  static let valueSize = 8
  /// The seed that distinguishes the checksums of watches from others.
  private static let seed: UInt64 = 0x5741_5443_4845_5300

  /// Returns the key of a watch. With watcher 0, it is the lowest key that a watch of the node can
  /// have.
  static func key(_ node: NodeID, _ watcher: WatcherID) -> InlineArray<2, UInt64> {
    [node.rawValue.bigEndian, watcher.rawValue.bigEndian]
  }

  private static func checksum(_ node: UInt64, _ watcher: UInt64, _ mask: UInt64) -> UInt64 {
    let words: InlineArray<3, UInt64> = [node, watcher, mask]
    return UInt64(Checksum.of(words.span, 0..<24, seed: seed))
  }

  var value: UInt64 {
    let mask = UInt64(mask.rawValue)
    return mask << 32 | Self.checksum(node.rawValue, watcher.rawValue, mask)
  }

  /// Reads a watch from the two big-endian words of its key and its value; `nil` if the checksum
  /// does not match.
  init?(key: (UInt64, UInt64), value: UInt64) {
    let (node, watcher) = (UInt64(bigEndian: key.0), UInt64(bigEndian: key.1))
    guard value & 0xffff_ffff == Self.checksum(node, watcher, value >> 32) else { return nil }
    self.init(
      NodeID(rawValue: node), WatcherID(rawValue: watcher), WatchMask(rawValue: UInt32(value >> 32))
    )
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
  private static let waitingBit: UInt64 = 1 << 63
  private static let seed: UInt64 = 0x4c49_4d42_4f00_0000

  let number: UInt64

  init(number: UInt64) { self.number = number }

  init(_ node: NodeID, isReported: Bool) {
    number = isReported ? node.rawValue : node.rawValue | Self.waitingBit
  }

  /// The lowest possible row that is still to be reported.
  static let firstWaiting = LimboRow(number: waitingBit)

  var node: NodeID { NodeID(rawValue: number & ~Self.waitingBit) }
  var isReported: Bool { number & Self.waitingBit == 0 }

  var value: UInt64 {
    let words: InlineArray<1, UInt64> = [number]
    return UInt64(Checksum.of(words.span, 0..<8, seed: Self.seed))
  }
}
