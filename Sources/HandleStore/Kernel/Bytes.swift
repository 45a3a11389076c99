/// Little-endian numbers, at any offset in an array of bytes.
extension Array<UInt8> {
  @inline(__always)
  func uint16(at i: Int) -> Int { Int(self[i]) | Int(self[i + 1]) << 8 }

  @inline(__always)
  func uint32(at i: Int) -> Int { uint16(at: i) | uint16(at: i + 2) << 16 }

  @inline(__always)
  func uint64(at i: Int) -> UInt64 {
    UInt64(truncatingIfNeeded: uint32(at: i)) | UInt64(truncatingIfNeeded: uint32(at: i + 4)) << 32
  }

  /// Returns a 64-bit number as an `Int`. A number that does not fit becomes `Int.max`; callers
  /// compare the number with limits, all of which are smaller.
  func int(at i: Int) -> Int { Int(clamping: uint64(at: i)) }

  @inline(__always)
  mutating func append(littleEndian number: some FixedWidthInteger & UnsignedInteger) {
    for i in 0..<(number.bitWidth / 8) { append(UInt8(truncatingIfNeeded: number >> (i * 8))) }
  }
}

extension ArraySlice<UInt8> {
  /// Returns the eight bytes from the `i`th on as a word. Bytes beyond the end count as zero.
  @inline(__always)
  func word(_ i: Int) -> UInt64 {
    let start = startIndex + i
    guard start + 8 <= endIndex else { return shortWord(start) }
    var word: UInt64 = 0
    for k in 0..<8 { word[byte: k] = self[start + k] }
    return word
  }

  private func shortWord(_ start: Int) -> UInt64 {
    var word: UInt64 = 0
    guard start < endIndex else { return word }
    for k in 0..<(endIndex - start) { word[byte: k] = self[start + k] }
    return word
  }
}

extension FixedWidthInteger where Self: UnsignedInteger {
  /// The bytes of the number, the least significant one first.
  package var littleEndianBytes: [UInt8] {
    var bytes: [UInt8] = []
    bytes.append(littleEndian: self)
    return bytes
  }
}

extension UInt64 {
  /// Byte `i` of the word, counted from the least significant one. Only the lowest three bits of `i`
  /// are used, so that `words[i >> 3][byte: i]` is the `i`th byte of several words.
  @inline(__always)
  subscript(byte i: Int) -> UInt8 {
    get { UInt8(truncatingIfNeeded: self >> UInt64((i & 7) * 8)) }
    set {
      let shift = UInt64((i & 7) * 8)
      self = self & ~(0xff << shift) | UInt64(newValue) << shift
    }
  }
}

extension InlineArray where Element == UInt64 {
  /// The `i`th byte of the words.
  @inline(__always)
  subscript(byte i: Int) -> UInt8 {
    get { self[i >> 3][byte: i] }
    set { self[i >> 3][byte: i] = newValue }
  }
}
