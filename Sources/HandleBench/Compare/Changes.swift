import Formatting

/// How the workloads of one result changed in another one.
struct Changes {
  private let old, new: BenchmarkResult
  private let all: [Change]

  /// - Throws: ``BenchError`` if the results are of two benchmarks.
  init(old: BenchmarkResult, new: BenchmarkResult) throws {
    try Self.requireSameBenchmark(old, new)
    (self.old, self.new) = (old, new)
    let earlier = Dictionary(old.workloads.map { (Key($0), $0) }) { first, _ in first }
    all = new.workloads.compactMap { row in earlier[Key(row)].map { Change($0, row) } }
  }

  /// What workloads of both results have in common if they are the same one.
  private struct Key: Hashable {
    let title: String
    let unit: Unit

    init(_ workload: Comparison) { (title, unit) = (workload.title, workload.unit) }
  }

  func regressions(_ threshold: Double) -> [Change] {
    all.filter { $0.isRegression(threshold: threshold) }
  }

  private static func requireSameBenchmark(_ old: BenchmarkResult, _ new: BenchmarkResult) throws {
    guard old.benchmark == new.benchmark else {
      throw BenchError(
        description: """
          one file is a result of handlebench \(old.benchmark), the other one of handlebench \
          \(new.benchmark); give two results of one of them
          """)
    }
  }

  func print(threshold: Double) {
    for warning in warnings { Self.show("note: \(warning)") }
    Self.show(
      Text.left("", Self.title) + Text.cell("old", 10) + Text.cell("new", 10)
        + Text.cell("change", 10) + Text.cell("95 % of redraws", 20))
    for change in all { Self.show(Self.line(change, threshold)) }
    for (name, one, other) in [("OLD", old, new), ("NEW", new, old)] {
      let common = Set(other.workloads.map(Key.init))
      for row in one.workloads where !common.contains(Key(row)) {
        Self.show(Text.left(row.title, Self.title) + "  only in \(name)")
      }
    }
    Swift.print("\n\(summary(threshold))")
  }

  private func summary(_ threshold: Double) -> String {
    let compared = all.count { $0.bootstrap != nil }
    let rest = all.count - compared
    return "\(regressions(threshold).count) of \(compared) workloads slower by more than "
      + "\(Figure.plain(threshold)) %\(rest > 0 ? "; \(rest) not compared" : "")"
  }

  private static func show(_ line: String) { Swift.print(Text.printable(line)) }

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
