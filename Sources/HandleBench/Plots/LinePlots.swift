import Foundation

/// Plots with a line for each contender.
extension Plot {
  struct Line {
    let series: Int
    let name: String
    let points: [(x: Double, y: Double)]
  }

  /// How many characters fit below the lines.
  private static var lineRoom: Int { 40 }

  /// How the times of single operations are distributed. Returns `nil` if that is not known.
  static func latencies(_ workload: Comparison, _ order: [String]) -> Plot? {
    let timed = workload.contenders.filter { ($0.latency?.points.count ?? 0) > 4 }
    guard let sample = timed.first?.latency?.sample else { return nil }
    let known = timed.compactMap(\.latency).flatMap { $0.points.dropLast() }
    let last = nines(known.map(\.percent).max() ?? 0)
    // The slowest of all operations is at the end.
    let end = last * 1.12 + 0.1
    let of = sample == Latency.operation ? "operations" : "calls, each for one \(sample),"
    var plot = Plot(
      workload.title, caption: "The time within which so many percent of the \(of) were done.",
      height: 250)
    let ticks = [50, 90, 99, 99.9, 99.99].filter { nines($0) <= last }.map {
      Axis.Tick(value: nines($0), label: Figure.plain($0))
    }
    plot.set(
      "x",
      Axis(
        range: 0...end, isLogarithmic: false, ticks: ticks + [Axis.Tick(value: end, label: "all")]))
    plot.addLines(timed.map { line($0, order, end) }) { Figure.short($0, .nanoseconds) }
    return plot
  }

  private static func line(_ contender: Measured, _ order: [String], _ end: Double) -> Line {
    let points = contender.latency?.points ?? []
    return Line(
      series: order.firstIndex(of: contender.name) ?? 0, name: contender.name,
      points: points.map { point in
        (point.percent < 100 ? nines(point.percent) : end, Double(max(point.nanoseconds, 1)))
      })
  }

  /// Returns how many nines a percentage has: 1 for 90, 2 for 99.
  private static func nines(_ percent: Double) -> Double { -log10(1 - percent / 100) }

  /// How a workload's time, or size, grows with the nodes.
  static func growth(_ title: String, _ unit: Unit, _ lines: [Line]) -> Plot {
    var plot = Plot(
      title, caption: "\(unit.title), by the nodes in the store.", height: 250)
    let nodes = Set(lines.flatMap(\.points).map(\.x))
    plot.set("x", .logarithmic(Array(nodes), room: lineRoom) { Figure.count($0) })
    plot.addLines(lines) { Figure.short($0, unit) }
    return plot
  }

  /// How a workload's rate, or time, changes with the threads.
  static func threads(_ title: String, _ unit: Unit, _ lines: [Line]) -> Plot {
    var plot = Plot(title, caption: "\(unit.title), by the threads.", height: 250)
    let counts = Set(lines.flatMap(\.points).map(\.x)).sorted()
    let axis = Axis.logarithmic(counts, room: lineRoom) { _ in "" }
    plot.set(
      "x",
      Axis(
        range: axis.range, isLogarithmic: true,
        ticks: counts.map { Axis.Tick(value: $0, label: Figure.plain($0)) }))
    plot.addLines(lines) { Figure.short($0, unit) }
    return plot
  }

  /// What servers hold, by the files that a client has seen. Returns `nil` if nothing is known.
  static func walk(_ title: String, _ lines: [Line], label: (Double) -> String) -> Plot? {
    guard !lines.isEmpty else { return nil }
    var plot = Plot(title, caption: "By the files that a client has listed.", height: 250)
    plot.set("x", .linear(lines.flatMap(\.points).map(\.x)) { Figure.count($0) })
    plot.addLines(lines, label: label)
    return plot
  }

  /// Draws lines with points over a logarithmic y axis. The first contender's is on top.
  private mutating func addLines(_ lines: [Line], label: (Double) -> String) {
    set("y", .logarithmic(lines.flatMap(\.points).map(\.y), room: 60, label: label))
    add("set lmargin at screen 0.2")
    legend = lines.map { ($0.series, $0.name) }
    var drawings: [String] = []
    for (i, line) in lines.enumerated() {
      add(table: "l\(i)", line.points.map { [$0.x, $0.y] })
      drawings.append(
        "$l\(i) using 1:2 with linespoints lw 1.6 pt \(Shape.number(line.series)) ps 0.6 "
          + "lc \(Colour.series(line.series).script)")
    }
    add("plot \(drawings.reversed().joined(separator: ", "))")
  }

  /// How often times fall into ranges. Returns `nil` if there are too few to be interesting.
  static func histogram(_ title: String, caption: String, _ times: [UInt64]) -> Plot? {
    guard times.count >= 10, let least = times.min(), let most = times.max() else { return nil }
    // Ranges of a quarter of the range of a factor of two, 19 % wide.
    func bin(_ time: UInt64) -> Int { Int(floor(log2(Double(max(time, 1))) * 4)) }
    let counts = Dictionary(grouping: times, by: bin).mapValues(\.count)
    var plot = Plot(title, caption: caption, height: 250)
    plot.set(
      "x",
      .logarithmic([Double(max(least, 1)), Double(most)], room: lineRoom) {
        Figure.short($0, .nanoseconds)
      })
    plot.set("y", .linear(counts.values.map(Double.init)) { Figure.plain($0) })
    plot.add(
      table: "bins",
      counts.sorted { $0.key < $1.key }.map { bin, count in
        let (from, to) = (pow(2, Double(bin) / 4), pow(2, Double(bin + 1) / 4))
        return [from, to, Double(count)]
      })
    plot.add(
      "plot $bins using 1:(0):1:2:(0):3 with boxxyerror lc \(Colour.series(0).script)")
    return plot
  }
}
