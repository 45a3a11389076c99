/// A piece of a page. Text becomes part of it only escaped.
struct HTML: ExpressibleByStringInterpolation {
  let markup: String

  /// Creates a piece that shows a text.
  init(_ text: String) {
    markup = text.reduce(into: "") { result, character in
      switch character {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      default: result.append(character)
      }
    }
  }

  init(stringLiteral text: String) { self.init(text) }

  /// Creates a piece from what is HTML already.
  init(markup: String) { self.markup = markup }

  /// Joins pieces.
  init(_ pieces: [HTML]) { markup = pieces.map(\.markup).joined() }

  static func element(
    _ tag: String, _ attributes: KeyValuePairs<String, String> = [:], _ children: HTML...
  ) -> HTML {
    element(tag, attributes, children)
  }

  static func element(
    _ tag: String, _ attributes: KeyValuePairs<String, String> = [:], _ children: [HTML]
  ) -> HTML {
    let words = attributes.map { " \($0)=\"\(HTML($1).markup)\"" }.joined()
    return HTML(markup: "<\(tag)\(words)>\(HTML(children).markup)</\(tag)>")
  }

  /// Shows a value of a result. Its exact value stands in the page as well, for programs.
  static func figure(_ value: some Numeric, _ text: String) -> HTML {
    element("data", ["value": "\(value)"], HTML(text))
  }

  static func figure(_ value: UInt64) -> HTML { figure(value, Figure.decimal(Double(value), 0)) }

  /// Something to open: a line, and what it hides.
  static func details(_ summary: String, _ children: [HTML]) -> HTML {
    element("details", [:], [element("summary", [:], HTML(summary))] + children)
  }

  /// A table that scrolls by itself if it is wider than the page.
  static func table(_ head: [HTML], _ rows: [[HTML]]) -> HTML {
    let headings = head.map { element("th", ["scope": "col"], $0) }
    let body = rows.map { row in
      element(
        "tr", [:],
        row.enumerated().map { i, cell in
          i == 0 ? element("th", ["scope": "row"], cell) : element("td", [:], cell)
        })
    }
    return element(
      "div", ["class": "scroll"],
      element(
        "table", [:], element("thead", [:], element("tr", [:], headings)),
        element("tbody", [:], body)))
  }
}
