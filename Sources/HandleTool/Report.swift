import Formatting
import SystemPackage

/// Named figures. Prints aligned lines for people, or a JSON object for programs.
struct Report {
  enum Figure {
    /// How many there are of something. The text groups the digits.
    case count(Int)
    /// A number that names something, such as an id.
    case number(UInt64)
    case fraction(Double)
    case bytes(UInt64)
    case seconds(Double)
    case text(String)
    /// A path. In JSON a string; if it is not UTF-8, `null`, and a second member with its bytes.
    case path(FilePath)
    case words([String])
    case numbers([Int])
    case flag(Bool)
    /// An unknown value: `null` in JSON, and left out of the text.
    case unknown
  }

  private(set) var figures: [(name: String, figure: Figure)] = []

  /// Adds a figure. In JSON, its name has underscores instead of spaces.
  mutating func add(_ name: String, _ figure: Figure) { figures.append((name, figure)) }
  mutating func add(_ name: String, _ count: Int) { add(name, .count(count)) }
  mutating func add(_ name: String, _ number: UInt64) { add(name, .number(number)) }
  mutating func add(_ name: String, _ text: String) { add(name, .text(text)) }

  var json: JSON { .object(jsonMembers) }

  var jsonMembers: [(String, JSON)] {
    var members: [(String, JSON)] = []
    for (name, figure) in figures {
      let name = String(name.map { $0 == " " ? "_" : $0 })
      members.append((name, figure.json))
      if let bytes = figure.bytes { members.append((name + "_bytes", .string(bytes))) }
    }
    return members
  }

  /// One line for each known figure. Counts are aligned on the right.
  var lines: [String] {
    let shown = figures.filter { !$0.figure.text.isEmpty }
    let names = shown.map(\.name.count).max() ?? 0
    let counts = shown.filter(\.figure.isCount).map(\.figure.text.count).max() ?? 0
    return shown.map { name, figure in
      let text = figure.text
      return Text.left(name, names) + "  "
        + (figure.isCount ? Text.right(text, counts) : text)
    }
  }

  /// Writes the figures to standard output.
  func print(asJSON: Bool) throws {
    var output = Output()
    try print(asJSON: asJSON, to: &output)
    try output.flush()
  }

  func print(asJSON: Bool, to output: inout Output) throws {
    if asJSON {
      try output.line { json.append(to: &$0) }
    } else {
      for line in lines { try output.line(line) }
    }
  }
}

extension Report.Figure {
  fileprivate var isCount: Bool { if case .count = self { true } else { false } }

  fileprivate var text: String {
    switch self {
    case .count(let n): Text.grouped(n)
    case .number(let n): String(n)
    case .fraction(let n): Text.tenths(n)
    case .bytes(let n): Text.size(n)
    case .seconds(let s): Text.seconds(s)
    case .text(let text): text
    case .path(let path): Text.path(path)
    case .words(let words): words.joined(separator: ", ")
    case .numbers(let numbers): numbers.map(String.init).joined(separator: ", ")
    case .flag(let flag): flag ? "yes" : "no"
    case .unknown: ""
    }
  }

  fileprivate var json: JSON {
    switch self {
    case .count(let n): .number(UInt64(n))
    case .number(let n): .number(n)
    case .fraction(let n): .fraction(n)
    case .bytes(let n): .number(n)
    case .seconds(let s): .fraction(s)
    case .text(let text): .string(text)
    case .path(let path): String(validating: path).map { .string($0) } ?? .null
    case .words(let words): .array(words.map { .string($0) })
    case .numbers(let numbers): .array(numbers.map { .number(UInt64($0)) })
    case .flag(let flag): .flag(flag)
    case .unknown: .null
    }
  }

  /// The bytes of a path in hexadecimal, if it cannot be a JSON string.
  fileprivate var bytes: String? {
    guard case .path(let path) = self else { return nil }
    return Text.bytes(ofUnreadable: path)
  }
}
