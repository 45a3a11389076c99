internal import SystemPackage

/// A record as a row of the table `nodes` (Docs/Format.md).
extension Record {
  private func checksum(for id: NodeID) -> UInt32 {
    Checksum.of(words.span, 4..<Self.size, seed: id.rawValue)
  }

  /// Writes the checksum, which depends on the node's id. Call this last, just before you put the
  /// record.
  mutating func seal(for id: NodeID) {
    words[0] = words[0] & ~0xffff_ffff | UInt64(checksum(for: id))
  }

  /// Whether this is an undamaged record of this node.
  func isIntact(for id: NodeID) -> Bool {
    UInt32(truncatingIfNeeded: words[0]) == checksum(for: id) && state != nil
      && (1...KernelFileHandle.maximumLength).contains(handleLength)
  }
}

/// A row of the table `spill`, for a handle of more than 24 bytes: a word with the checksum and the
/// length, then the bytes.
struct SpilledHandle {
  static let headerSize = 8
  /// Makes the checksum of a spilled handle differ from that of a record.
  private static let seed: UInt64 = 0x5350_494c_4c45_4400

  var words = InlineArray<17, UInt64>(repeating: 0)

  init() {}

  init(_ handle: KernelFileHandle, for id: NodeID) {
    words[0] = UInt64(handle.length) << 32
    for i in 0..<16 { words[1 + i] = handle.words[i] }
    words[0] |= UInt64(checksum(for: id))
  }

  /// The length of the handle in bytes, limited to what a handle can have.
  var length: Int { min(Int(words[0] >> 32), KernelFileHandle.maximumLength) }
  /// The size of the row in bytes.
  var size: Int { Self.headerSize + length }

  /// Returns the handle, if these `size` bytes are an undamaged row of this node.
  func handle(type: HandleType, size: Int, for id: NodeID) -> KernelFileHandle? {
    guard isIntact(size: size, for: id) else { return nil }
    var handle = InlineArray<16, UInt64>(repeating: 0)
    for i in 0..<16 { handle[i] = words[1 + i] }
    return KernelFileHandle(type: type, length: length, words: handle)
  }

  /// Whether these `size` bytes are an undamaged row of this node.
  func isIntact(size: Int, for id: NodeID) -> Bool {
    size == self.size && length > Record.inlineLimit
      && UInt32(truncatingIfNeeded: words[0]) == checksum(for: id)
  }

  private func checksum(for id: NodeID) -> UInt32 {
    Checksum.of(words.span, 4..<size, seed: id.rawValue ^ Self.seed)
  }
}
