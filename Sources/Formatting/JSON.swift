/// A JSON value (RFC 8259). Integers are written in full, because node ids and inode numbers have
/// up to 64 bits.
public enum JSON {
  case null
  case flag(Bool)
  case number(UInt64)
  case fraction(Double)
  case string(String)
  case array([JSON])
  case object([(String, JSON)])

  /// Appends the value on one line, without blanks.
  public func append(to bytes: inout [UInt8]) {
    switch self {
    case .null: bytes.append("null")
    case .flag(let flag): bytes.append(flag ? "true" : "false")
    case .number(let number): bytes.append(decimal: number)
    case .fraction(let number): bytes.append(number.isFinite ? "\(number)" : "null")
    case .string(let text): Self.append(text, to: &bytes)
    case .array(let values):
      bytes.append("[")
      for (i, value) in values.enumerated() {
        if i > 0 { bytes.append(",") }
        value.append(to: &bytes)
      }
      bytes.append("]")
    case .object(let members):
      bytes.append("{")
      for (i, (name, value)) in members.enumerated() {
        if i > 0 { bytes.append(",") }
        Self.append(name, to: &bytes)
        bytes.append(":")
        value.append(to: &bytes)
      }
      bytes.append("}")
    }
  }

  private static func append(_ text: String, to bytes: inout [UInt8]) {
    bytes.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"):
        bytes.append(UInt8(ascii: "\\"))
        bytes.append(byte)
      case 0..<0x20:
        bytes.append(byte < 0x10 ? "\\u000" : "\\u001")
        bytes.append(String(byte & 15, radix: 16))
      default: bytes.append(byte)
      }
    }
    bytes.append(UInt8(ascii: "\""))
  }
}
