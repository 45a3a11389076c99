internal import CHandleSys

/// XXH3 of some bytes, cut to 32 bits. The seed binds a value to its table and key, so that one
/// found under another key does not pass.
enum Checksum {
  /// Of a range of the bytes of some words.
  @inline(__always)
  static func of(_ words: Span<UInt64>, _ range: Range<Int>, seed: UInt64) -> UInt32 {
    UInt32(truncatingIfNeeded: wide(words, range, seed: seed))
  }

  /// Of a range of the bytes of some words, all 64 bits.
  @inline(__always)
  static func wide(_ words: Span<UInt64>, _ range: Range<Int>, seed: UInt64) -> UInt64 {
    unsafe words.withUnsafeBytes {
      unsafe hs_checksum($0.baseAddress?.advanced(by: range.lowerBound), range.count, seed)
    }
  }

  static func of(_ bytes: [UInt8], seed: UInt64) -> UInt32 {
    UInt32(truncatingIfNeeded: unsafe hs_checksum(bytes, bytes.count, seed))
  }
}
