/// One option of a list as `mount(8)` takes it: a name, or `name=value`.
struct OptionWord {
  let text: String

  var name: String { String(text.prefix { $0 != "=" }) }

  /// What stands after the first `=`, without the quotes around it; `nil` without `=`.
  var value: String? {
    guard let equals = text.firstIndex(of: "=") else { return nil }
    let value = text[text.index(after: equals)...]
    guard value.count >= 2, value.first == "\"", value.last == "\"" else { return String(value) }
    return String(value.dropFirst().dropLast())
  }

  /// The option for an error message. A connection string may have a password.
  var shown: String { name == "shared" ? name : text }

  /// The option as part of a list.
  var escaped: String {
    text.split(separator: ",", omittingEmptySubsequences: false).joined(separator: "\\,")
  }

  /// Splits a list at its commas. As in `mount(8)`, a comma between double quotes or after a
  /// backslash belongs to the value.
  static func list(_ text: String) -> [OptionWord] {
    var (words, word, isQuoted) = ([String](), "", false)
    for character in text {
      if character == "\"" { isQuoted.toggle() }
      if character == ",", word.last == "\\" {
        word.removeLast()
      } else if character == ",", !isQuoted {
        words.append(word)
        word = ""
        continue
      }
      word.append(character)
    }
    words.append(word)
    return words.filter { !$0.isEmpty }.map(OptionWord.init)
  }
}
