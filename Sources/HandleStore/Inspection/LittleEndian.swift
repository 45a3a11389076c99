/// Reads numbers as LMDB stores them in a file: little-endian, and not always aligned.
extension Array<UInt8> {
  @inline(__always)
  func uint16(at i: Int) -> Int { Int(self[i]) | Int(self[i + 1]) << 8 }

  @inline(__always)
  func uint32(at i: Int) -> Int { uint16(at: i) | uint16(at: i + 2) << 16 }

  @inline(__always)
  func uint64(at i: Int) -> UInt64 {
    UInt64(truncatingIfNeeded: uint32(at: i)) | UInt64(truncatingIfNeeded: uint32(at: i + 4)) << 32
  }

  /// Returns a 64-bit number as an `Int`. A number that does not fit becomes `Int.max`, which is
  /// larger than anything that it is compared with.
  func int(at i: Int) -> Int { Int(clamping: uint64(at: i)) }
}

extension ArraySlice<UInt8> {
  /// Returns the eight bytes from the `i`th on as a word. Bytes beyond the end count as zero.
  @inline(__always)
  func word(_ i: Int) -> UInt64 {
    let start = startIndex + i
    guard start + 8 <= endIndex else { return shortWord(start) }
    var word: UInt64 = 0
    for k in 0..<8 { word |= UInt64(self[start + k]) << UInt64(8 * k) }
    return word
  }

  private func shortWord(_ start: Int) -> UInt64 {
    guard start < endIndex else { return 0 }
    return self[start...].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }
}
