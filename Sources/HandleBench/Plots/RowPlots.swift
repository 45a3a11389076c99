/// Plots with a row for each workload or server.
extension Plot {
  /// How much of each limit is used. Returns `nil` if there are no goals to compare with.
  static func goals(_ workloads: [Comparison]) -> Plot? {
    let rows = workloads.compactMap(GoalRow.init)
    guard !rows.isEmpty else { return nil }
    var plot = Plot(
      "Goals",
      caption: """
        What is reached, beside the limit: a bar to the left of 1 meets its goal, and one to the \
        right of it misses it. A line shows the lowest and the highest round.
        """, height: height(rows: rows.count))
    plot.setRows(rows.map(\.title))
    let ends = rows.flatMap { [$0.least, $0.most, $0.middle, 1 / 1.2, 1.2] }
    plot.set("x", .logarithmic(ends, room: rowRoom) { "\(Figure.plain($0))×" })
    for (name, isMet) in [("met", true), ("missed", false)] {
      plot.add(
        table: name,
        rows.enumerated().filter { $1.isMet == isMet }.map { i, row in
          [Double(i), row.middle, row.least, row.most]
        } + [[.nan, .nan, .nan, .nan]])
    }
    plot.add("set arrow from 1, graph 0 to 1, graph 1 nohead lw 1.6 lc \(Colour.ink.script)")
    func drawing(_ name: String, _ colour: Colour) -> String {
      let bars = "2:1:(1):2:($1-0.3):($1+0.3) with boxxyerror lc \(colour.script)"
      let lines = "3:1:($4-$3):(0) with vectors nohead lw 1.2 lc \(Colour.ink.script)"
      return "$\(name) using \(bars), $\(name) using \(lines)"
    }
    plot.add("plot \(drawing("met", .met)), \(drawing("missed", .missed))")
    return plot
  }

  /// Each contender's value for each workload of a unit. Returns `nil` if there is none.
  static func values(_ workloads: [Comparison], _ unit: Unit, _ order: [String]) -> Plot? {
    let rows = workloads.filter { workload in
      workload.unit == unit && workload.contenders.contains { ($0.middle ?? 0) > 0 }
    }
    guard !rows.isEmpty else { return nil }
    let isCommand = unit == .runsPerSecond
    var plot = Plot(
      unit.title,
      caption:
        "The median of the rounds. \(unit.isMoreBetter && !isCommand ? "More" : "Less") is better.",
      height: height(rows: rows.count))
    plot.setRows(rows.map(\.title))
    func shown(_ value: Double) -> Double { isCommand ? 1e9 / value : value }
    let values = rows.flatMap { $0.contenders.compactMap(\.middle) }.filter { $0 > 0 }.map(shown)
    plot.set(
      "x", .logarithmic(values, room: rowRoom) { Figure.short($0, isCommand ? .nanoseconds : unit) }
    )
    plot.addPoints(order) { name in
      rows.enumerated().compactMap { i, row in
        let middle = row.contenders.first { $0.name == name }?.middle
        return middle.flatMap { $0 > 0 ? [shown($0), Double(i)] : nil }
      }
    }
    return plot
  }

  /// How many characters fit below the rows.
  private static var rowRoom: Int { 26 }

  /// Draws points for each contender that has any. The first contender's are on top.
  private mutating func addPoints(_ order: [String], _ points: (String) -> [[Double]]) {
    var drawings: [String] = []
    for (series, name) in order.enumerated() {
      let found = points(name)
      guard !found.isEmpty else { continue }
      legend.append((series, name))
      add(table: "s\(series)", found)
      drawings.append(
        "$s\(series) using 1:2 with points pt \(Shape.number(series)) ps 0.8 "
          + "lc \(Colour.series(series).script)")
    }
    add("plot \(drawings.reversed().joined(separator: ", "))")
  }

  /// A bar for each size, from zero, in the unit that the largest one needs.
  static func sizes(
    _ title: String, caption: String, _ bytes: [(name: String, value: Double)],
    limit: Double? = nil
  ) -> Plot {
    let units = [("GiB", 1073741824.0), ("MiB", 1048576), ("KiB", 1024), ("B", 1)]
    let most = bytes.map(\.value).max() ?? 0
    let (unit, scale) = units.first { most >= $0.1 * 4 } ?? ("B", 1)
    return bars(
      title, caption: caption, bytes.map { ($0.name, $0.value / scale) },
      limit: limit.map { $0 / scale }
    ) { "\(Figure.plain($0)) \(unit)" }
  }

  /// A bar for each value, from zero.
  static func bars(
    _ title: String, caption: String, _ bars: [(name: String, value: Double)],
    limit: Double? = nil, label: (Double) -> String
  ) -> Plot {
    var plot = Plot(title, caption: caption, height: height(rows: bars.count))
    plot.setRows(bars.map(\.name), longest: 24)
    plot.set("x", .linear(bars.map(\.value) + [limit ?? 0], label: label))
    if let limit {
      plot.add(
        "set arrow from \(limit), graph 0 to \(limit), graph 1 nohead lw 1.6 "
          + "lc \(Colour.ink.script)")
    }
    for (name, rows) in [("first", bars.indices.prefix(1)), ("rest", bars.indices.dropFirst())] {
      plot.add(
        table: name, rows.map { [Double($0), bars[$0].value] } + [[.nan, .nan]])
    }
    let shape = "using 2:1:(0):2:($1-0.3):($1+0.3) with boxxyerror lc"
    plot.add(
      "plot $first \(shape) \(Colour.series(0).script), $rest \(shape) \(Colour.series(1).script)")
    return plot
  }
}

/// How much of a workload's limit is used: 1 is all of it.
private struct GoalRow {
  let title: String
  let middle, least, most: Double
  let isMet: Bool

  init?(_ workload: Comparison) {
    guard let goal = workload.goal, let reached = workload.reached, let isMet = workload.isMet
    else { return nil }
    // What is nothing, or less, is far to the left.
    func share(_ value: Double) -> Double {
      let share = goal.isAtMost ? value / goal.limit : goal.limit / value
      return share > 0.05 ? share : 0.05
    }
    let ends = [share(reached.lowest), share(reached.highest)]
    (title, middle, self.isMet) = (workload.title, share(reached.median), isMet)
    (least, most) = (min(ends[0], ends[1]), max(ends[0], ends[1]))
  }
}
