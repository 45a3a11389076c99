import SystemPackage

/// Standard output, written in large pieces.
struct Output: ~Copyable {
  private static let pieceSize = 128 << 10

  private(set) var bytes: [UInt8] = []
  private let descriptor = FileDescriptor.standardOutput

  init() { bytes.reserveCapacity(Self.pieceSize + 4096) }

  /// Appends a line. `body` appends its text, without the end of line.
  mutating func line(_ body: (inout [UInt8]) -> Void) throws {
    body(&bytes)
    bytes.append(UInt8(ascii: "\n"))
    if bytes.count >= Self.pieceSize { try flush() }
  }

  mutating func line(_ text: String) throws { try line { $0.append(contentsOf: text.utf8) } }

  /// Writes what is left. Call this before the end of the program.
  mutating func flush() throws {
    try descriptor.writeAll(bytes)
    bytes.removeAll(keepingCapacity: true)
  }
}

extension [UInt8] {
  mutating func append(_ text: String) { append(contentsOf: text.utf8) }

  mutating func append(decimal number: UInt64) {
    var digits = InlineArray<20, UInt8>(repeating: 0)
    var first = 20
    var rest = number
    repeat {
      first -= 1
      digits[first] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
      rest /= 10
    } while rest > 0
    for i in first..<20 { append(digits[i]) }
  }

  /// Appends a number, padded with zeros to at least `digits` digits.
  mutating func append(decimal number: Int, digits: Int) {
    var limit = 10
    for _ in 1..<digits {
      if number < limit { append(UInt8(ascii: "0")) }
      limit *= 10
    }
    append(decimal: UInt64(number))
  }

  mutating func append(hexadecimal byte: UInt8) {
    append(Self.digit(byte >> 4))
    append(Self.digit(byte & 15))
  }

  /// Parses bytes of two hexadecimal digits each, with nothing between them.
  init?(hexadecimal text: String) {
    let digits = text.utf8.compactMap { Self.value(ofDigit: $0) }
    guard digits.count == text.utf8.count, digits.count.isMultiple(of: 2) else { return nil }
    self = stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
  }

  static func value(ofDigit digit: UInt8) -> UInt8? {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
    default: nil
    }
  }

  private static func digit(_ nibble: UInt8) -> UInt8 {
    nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "a") + nibble - 10
  }
}
