internal import SystemPackage

/// Writes JSON strings.
enum JSON {
  /// Returns a name as a JSON string. A byte that is not valid UTF-8 becomes the escape of the
  /// surrogate U+DC00 plus the byte, which no valid name contains; Python calls this
  /// `surrogateescape`.
  static func string(_ name: FilePath) -> String {
    let bytes = name.bytes
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
