/// One page that shows results. It needs nothing from elsewhere.
struct Page {
  let results: [BenchmarkResult]
  /// Benchmarks that were not run, and why.
  let leftOut: [Missing]
  private var drawn = 0

  init(_ results: [BenchmarkResult], leftOut: [Missing] = []) {
    self.results = results
    self.leftOut = leftOut
  }

  /// Returns the page.
  ///
  /// - Throws: ``BenchError`` if gnuplot is missing or fails.
  mutating func text() throws -> String {
    try Gnuplot.require()
    var body = [HTML.element("h1", [:], "Benchmark report")] + summaries
    body += try growth()
    for (i, result) in results.enumerated() { body.append(try section(result, number: i)) }
    body.append(.element("footer", [:], "Written by handlebench. Plots by gnuplot."))
    return """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <meta name="color-scheme" content="light dark">
      <meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
      style-src 'nonce-report'">
      <title>Benchmark report</title>
      <style nonce="report">
      \(Style.text)
      </style>
      </head>
      <body>
      \(HTML(body).markup)
      </body>
      </html>

      """
  }

  /// What a reader wants to know first: on which machines, how noisy, and which goals are missed.
  private var summaries: [HTML] {
    [
      .element(
        "div", ["class": "cards"],
        results.enumerated().map { i, result in Summary(result: result, number: i).html })
    ] + HTML.list("Left out:", leftOut)
  }

  private mutating func section(_ result: BenchmarkResult, number: Int) throws -> HTML {
    let pictures = try Pictures(result).groups.map { title, plots in
      try group(title, plots)
    }
    let heading = HTML.element("h2", ["id": "result-\(number)"], HTML(result.heading))
    return .element("section", [:], [heading] + pictures + Tables(result: result).html)
  }

  private mutating func growth() throws -> [HTML] {
    let plots = Growth(results).plots
    return plots.isEmpty ? [] : [try group("Growth", plots)]
  }

  /// Returns plots side by side, under a heading.
  private mutating func group(_ title: String, _ plots: [Plot]) throws -> HTML {
    let figures = try plots.map { try picture($0) }
    return .element(
      "div", ["class": "group"], .element("h3", [:], HTML(title)),
      .element("div", ["class": "plots"], figures))
  }

  private mutating func picture(_ plot: Plot) throws -> HTML {
    drawn += 1
    let keys = plot.legend.sorted { $0.series < $1.series }.map { series, name in
      HTML.element(
        "li", [:],
        .element(
          "span", ["class": "series-\(series % Colour.seriesCount)", "aria-hidden": "true"],
          HTML(Shape.character(series))), HTML(" " + name))
    }
    let caption = HTML.element(
      "figcaption", [:], .element("b", [:], HTML(plot.title)), HTML(" " + plot.caption))
    return .element(
      "figure", [:], caption, try plot.draw(id: "plot\(drawn)"),
      keys.isEmpty ? "" : .element("ul", ["class": "legend"], keys))
  }
}
