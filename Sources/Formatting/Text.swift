/// Formats figures and names for people.
public enum Text {
  /// Returns a text with blanks after it, if it has fewer characters than `width`.
  public static func left(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }

  /// Returns a text with blanks before it, if it has fewer characters than `width`.
  public static func right(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }

  /// Returns a number with commas between groups of three digits.
  public static func grouped(_ number: Int) -> String {
    let digits = String(number.magnitude)
    var text = ""
    for (i, digit) in digits.enumerated() {
      if i > 0 && (digits.count - i).isMultiple(of: 3) { text.append(",") }
      text.append(digit)
    }
    return number < 0 ? "-" + text : text
  }
}

extension [UInt8] {
  /// Appends a text as UTF-8.
  public mutating func append(_ text: String) { append(contentsOf: text.utf8) }

  /// Appends a number in decimal digits.
  public mutating func append(decimal number: UInt64) {
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
}
