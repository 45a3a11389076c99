/// A little of JSON.
enum JSON {
  static func string(_ text: String) -> String {
    let escaped = text.unicodeScalars.map { scalar in
      switch scalar {
      case "\"", "\\": "\\\(scalar)"
      case "\u{0}"..."\u{f}": "\\u000" + String(scalar.value, radix: 16)
      case "\u{10}"..."\u{1f}": "\\u00" + String(scalar.value, radix: 16)
      default: "\(scalar)"
      }
    }
    return "\"" + escaped.joined() + "\""
  }
}
