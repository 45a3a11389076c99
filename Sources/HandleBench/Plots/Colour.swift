/// A colour of a plot. The page says what it looks like, in the light and in the dark.
enum Colour {
  case ink, grid, met, missed
  /// A contender's, by its place in the result.
  case series(Int)

  /// How many contenders have colours of their own.
  static let seriesCount = 10

  private var number: Int {
    switch self {
    case .ink: 1
    case .grid: 2
    case .met: 3
    case .missed: 4
    case .series(let i): 10 + i % Self.seriesCount
    }
  }

  /// What stands for it in a script: a colour that no plot would have otherwise.
  var script: String { "rgb 0x0000\(number < 16 ? "0" : "")\(String(number, radix: 16))" }

  /// Its variable in the page.
  var variable: String { "--plot-\(number)" }

  /// Replaces the colours of a drawn plot by the page's variables.
  static func replace(in svg: String) -> String {
    svg.replacing(/rgb\(\s*0,\s*0,\s*(\d+)\)/) { "var(--plot-\($0.1))" }
  }
}

/// A shape of points, so that contenders differ without colours, too.
enum Shape {
  /// The number of gnuplot's shape, and a character like it.
  private static let all: [(number: Int, character: String)] = [
    (7, "●"), (5, "■"), (9, "▲"), (11, "▼"), (13, "◆"), (6, "○"), (4, "□"), (8, "△"),
    (10, "▽"), (12, "◇"),
  ]

  static func number(_ series: Int) -> Int { all[series % all.count].number }

  static func character(_ series: Int) -> String { all[series % all.count].character }
}
