/// A JSON value (RFC 8259). Integers are written in full, because node ids and inode numbers have
/// up to 64 bits.
enum JSON {
  case null
  case flag(Bool)
  case number(UInt64)
  case fraction(Double)
  case string(String)
  case array([JSON])
  case object([(String, JSON)])

  func append(to bytes: inout [UInt8]) {
    switch self {
    case .null: bytes.append("null")
    case .flag(let flag): bytes.append(flag ? "true" : "false")
    case .number(let number): bytes.append(decimal: number)
    case .fraction(let number): bytes.append(number.isFinite ? "\(number)" : "null")
    case .string(let text): Self.append(text, to: &bytes)
    case .array(let values): Self.append(values, "[", "]", to: &bytes) { $0.append(to: &$1) }
    case .object(let members):
      Self.append(members, "{", "}", to: &bytes) { member, bytes in
        Self.append(member.0, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
        member.1.append(to: &bytes)
      }
    }
  }

  private static func append<T>(
    _ values: [T], _ begin: String, _ end: String, to bytes: inout [UInt8],
    _ one: (T, inout [UInt8]) -> Void
  ) {
    bytes.append(begin)
    for (i, value) in values.enumerated() {
      if i > 0 { bytes.append(UInt8(ascii: ",")) }
      one(value, &bytes)
    }
    bytes.append(end)
  }

  private static func append(_ text: String, to bytes: inout [UInt8]) {
    bytes.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"):
        bytes.append(UInt8(ascii: "\\"))
        bytes.append(byte)
      case 0..<0x20:
        bytes.append("\\u00")
        bytes.append(hexadecimal: byte)
      default: bytes.append(byte)
      }
    }
    bytes.append(UInt8(ascii: "\""))
  }
}
