import Formatting

/// How the workloads of one result changed in another one.
struct Changes {
  let old, new: BenchmarkResult

  private var all: [Change] {
    new.workloads.compactMap { row in
      old.workloads.first { $0.title == row.title && $0.unit == row.unit }.map { Change($0, row) }
    }
  }

  func regressions(_ threshold: Double) -> [Change] {
    all.filter { $0.isRegression(threshold: threshold) }
  }

  func requireSameBenchmark() throws {
    guard old.benchmark == new.benchmark else {
      throw BenchError(
        description: """
          one file is a result of handlebench \(old.benchmark), the other one of handlebench \
          \(new.benchmark); give two results of one of them
          """)
    }
  }

  func print(threshold: Double) {
    for warning in warnings { Swift.print("note: \(warning)") }
    Swift.print(
      Text.left("", Self.title) + Text.cell("old", 10) + Text.cell("new", 10)
        + Text.cell("change", 10) + Text.cell("95 % of redraws", 20))
    for change in all { Swift.print(Self.line(change, threshold)) }
    for (name, one, other) in [("OLD", old, new), ("NEW", new, old)] {
      let titles = other.workloads.map { "\($0.title), \($0.unit)" }
      for row in one.workloads where !titles.contains("\(row.title), \(row.unit)") {
        Swift.print(Text.left(row.title, Self.title) + "  only in \(name)")
      }
    }
    let count = regressions(threshold).count
    Swift.print(
      "\n\(count) of \(all.count) workloads slower by more than \(Figure.plain(threshold)) %")
  }

  private static let title = 38

  private static func line(_ change: Change, _ threshold: Double) -> String {
    func cost(_ value: Double?) -> String { Text.cell(value.map(Figure.number) ?? "failed", 10) }
    return Text.left(change.title, title) + cost(change.old) + cost(change.new)
      + Text.cell(change.bootstrap.map { percent($0.ratio) } ?? "", 10)
      + Text.cell(change.bootstrap.map { range($0.interval) } ?? "", 20)
      + "  \(verdict(change, threshold))\(change.reference.map { " (beside \($0))" } ?? "")"
  }

  private static func percent(_ ratio: Double) -> String {
    let text = Figure.decimal((ratio - 1) * 100, 1)
    return "\(text.hasPrefix("−") ? "" : "+")\(text) %"
  }

  private static func range(_ interval: ClosedRange<Double>) -> String {
    "\(percent(interval.lowerBound))…\(percent(interval.upperBound))"
  }

  private static func verdict(_ change: Change, _ threshold: Double) -> String {
    switch change.verdict {
    case .slower: change.isRegression(threshold: threshold) ? "SLOWER" : "slower"
    case .faster: "faster"
    case .unchanged: "within the noise"
    case .unknown(let reason): "not compared: \(reason)"
    }
  }

  /// What makes the comparison doubtful.
  private var warnings: [String] {
    var found: [String] = []
    for (name, result) in [("OLD", old), ("NEW", new)] {
      if result.noise.isNoisy { found.append("\(name) comes from a noisy machine") }
      if !result.isOptimised { found.append("\(name) comes from a debug build") }
    }
    let (machines, options) = ([old.machine, new.machine], [old.options, new.options])
    if Set(machines.map(\.processor)).count + Set(machines.map(\.kernel)).count
      + Set(machines.map(\.filesystem)).count > 3
    {
      found.append("the processor, the kernel or the filesystem differ")
    }
    let texts = options.map { $0.map { "\($0.name) \($0.value)" }.joined(separator: ", ") }
    if texts[0] != texts[1] { found.append("the options differ: \(texts[0]); and \(texts[1])") }
    return found
  }
}
