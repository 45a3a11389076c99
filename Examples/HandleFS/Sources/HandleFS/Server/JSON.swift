internal import SystemPackage

/// A little of JSON.
enum JSON {
  /// A name as a string. A byte that is not of UTF-8 becomes the escape of a surrogate, U+DC00 and the
  /// byte, which no name has: Python calls that `surrogateescape`.
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
