import Foundation

/// A picture of some results, and what a reader needs to understand it.
///
/// No text of a result gets into a script of gnuplot, which could run it: numbers stand for them, and
/// the texts are put into the finished drawing.
struct Plot {
  let title: String
  /// What the axes are.
  let caption: String
  /// The contenders in it, by their places in the result.
  var legend: [(series: Int, name: String)] = []

  private let height: Int
  private var lines: [String] = []
  private var labels: [String] = []

  /// The width of all plots, in pixels before the page scales them.
  private static let width = 400
  private static let letter = 6.4

  init(_ title: String, caption: String, height: Int) {
    self.title = title
    self.caption = caption
    self.height = height
  }

  /// Adds a line to the script.
  mutating func add(_ line: String) { lines.append(line) }

  /// Adds a table of numbers, and gives it a name.
  mutating func add(table name: String, _ rows: [[Double]]) {
    lines.append("$\(name) << EOD")
    lines += rows.map { $0.map { "\($0)" }.joined(separator: " ") }
    lines.append("EOD")
  }

  /// Returns what stands for a text in the script.
  mutating func label(_ text: String) -> String {
    labels.append(text)
    return "\"L\(labels.count - 1)\""
  }

  /// Sets the range of an axis and its marks.
  ///
  /// - Parameter name: `x` or `y`.
  mutating func set(_ name: String, _ axis: Axis) {
    if axis.isLogarithmic { add("set logscale \(name)") }
    add("set \(name)range [\(axis.range.lowerBound):\(axis.range.upperBound)]")
    let ticks = axis.ticks.map { "\(label($0.label)) \($0.value)" }
    add("set \(name)tics (\(ticks.joined(separator: ", "))) nomirror")
    add("set grid \(name)tics lt 1 lw 0.7 lc \(Colour.grid.script)")
  }

  /// Makes the y axis a list of rows, from the top to the bottom, with their names on the left.
  mutating func setRows(_ names: [String], longest: Int = 32) {
    let short = names.map { $0.count > longest ? "\($0.prefix(longest - 1))…" : $0 }
    let ticks = short.enumerated().map { i, name in "\(label(name)) \(i)" }
    add("set yrange [\(Double(names.count) - 0.4):-0.6]")
    add("set ytics (\(ticks.joined(separator: ", "))) nomirror scale 0")
    let letters = Double(short.map(\.count).max() ?? 0)
    let left = min(0.62, (letters * Self.letter + 14) / Double(Self.width))
    add("set lmargin at screen \(left)")
  }

  /// The height of a plot with so many rows.
  static func height(rows: Int) -> Int { 44 + rows * 20 }

  /// Draws it.
  ///
  /// - Parameter id: a name that no other plot of the page has.
  func draw(id: String) throws -> HTML {
    let head = """
      set terminal svg size \(Self.width),\(height) dynamic noenhanced font "inherit,12"
      set border 3 lw 0.8 lc \(Colour.ink.script)
      set tics textcolor \(Colour.ink.script)
      set style fill solid 1 noborder
      set rmargin at screen 0.95
      unset key

      """
    let drawn = try Gnuplot.draw(head + lines.joined(separator: "\n") + "\n")
    return HTML(markup: finished(drawn, id))
  }

  /// Makes a drawing a part of the page: with its texts, the page's colours, and without the titles
  /// and names that gnuplot gives to its parts.
  private func finished(_ drawn: String, _ id: String) -> String {
    let body = drawn.firstRange(of: "<svg").map { String(drawn[$0.lowerBound...]) } ?? ""
    let bare = Colour.replace(in: body).replacing(/<title>[^<]*<\/title>/, with: "")
      .replacing(/<desc>[^<]*<\/desc>/, with: "")
      .replacing(/<filter(?s:.*?)<\/filter>/, with: "")
      .replacing("gpPt", with: "\(id)-point").replacing("gpDot", with: "\(id)-dot")
      .replacing(/\ id="gnuplot_[a-z]+(_\d+)?"/, with: "")
      .replacing(/<text>\s*L(\d+)<\/text>/) { match in
        let text = Int(match.1).flatMap { labels.indices.contains($0) ? labels[$0] : nil } ?? ""
        return "<text>\(HTML(text).markup)</text>"
      }
    let label = HTML("\(title). \(caption)").markup
    return bare.replacing(
      "<svg", with: "<svg role=\"img\" aria-label=\"\(label)\"", maxReplacements: 1)
  }
}
