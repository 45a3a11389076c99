internal import HandleStore
internal import SystemPackage

/// A JSON value.
enum JSON {
  case number(UInt64)
  case flag(Bool)
  case string(String)
  /// A file's name, which need not be UTF-8.
  case name(FilePath)
  case array([JSON])
  case object([(String, JSON)])

  /// The value on one line.
  var text: String {
    switch self {
    case .number(let number): "\(number)"
    case .flag(let flag): flag ? "true" : "false"
    case .string(let text): Self.quoted(Array(text.utf8))
    case .name(let name): Self.quoted(name.bytes)
    case .array(let values): "[" + values.map(\.text).joined(separator: ", ") + "]"
    case .object(let members):
      "{"
        + members.map { "\(JSON.string($0).text): \($1.text)" }.joined(separator: ", ") + "}"
    }
  }

  /// Returns bytes as a JSON string. A byte that is not valid UTF-8 becomes the escape of the
  /// surrogate U+DC00 plus the byte, which no valid text contains; Python calls this
  /// `surrogateescape`.
  private static func quoted(_ bytes: [UInt8]) -> String {
    var (parser, iterator, place, text) = (UTF8.ForwardParser(), bytes.makeIterator(), 0, "\"")
    while true {
      switch parser.parseScalar(from: &iterator) {
      case .valid(let encoded):
        text += escaped(UTF8.decode(encoded))
        place += encoded.count
      case .error(let length):
        for byte in bytes[place..<place + length] { text += "\\udc" + String(byte, radix: 16) }
        place += length
      case .emptyInput: return text + "\""
      }
    }
  }

  private static func escaped(_ scalar: Unicode.Scalar) -> String {
    switch scalar {
    case "\"", "\\": "\\\(scalar)"
    case "\u{0}"..."\u{f}": "\\u000" + String(scalar.value, radix: 16)
    case "\u{10}"..."\u{1f}": "\\u00" + String(scalar.value, radix: 16)
    default: "\(scalar)"
    }
  }
}
