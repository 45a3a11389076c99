internal import CHandleSys

/// XXH3 checksums, seeded. The seed binds a value to its table and key, so a value that turns up
/// under another key fails the check.
enum Checksum {
  /// Returns the low 32 bits of the checksum of a range of bytes in `words`.
  @inline(__always)
  static func of(_ words: Span<UInt64>, _ range: Range<Int>, seed: UInt64) -> UInt32 {
    UInt32(truncatingIfNeeded: wide(words, range, seed: seed))
  }

  /// Returns all 64 bits of the checksum of a range of bytes in `words`.
  @inline(__always)
  static func wide(_ words: Span<UInt64>, _ range: Range<Int>, seed: UInt64) -> UInt64 {
    unsafe words.withUnsafeBytes {
      unsafe hsys_checksum($0.baseAddress?.advanced(by: range.lowerBound), range.count, seed)
    }
  }

  static func of(_ bytes: [UInt8], seed: UInt64) -> UInt32 {
    UInt32(truncatingIfNeeded: unsafe hsys_checksum(bytes, bytes.count, seed))
  }
}
