import Formatting

/// A result as text: tables for a terminal.
struct ResultText {
  let result: BenchmarkResult

  private static let title = 38

  func print() {
    printHead()
    printValues()
    printGoals()
    printLatencies()
    printServers()
    for missing in result.missing { Swift.print("without \(missing.name): \(missing.reason)") }
    printRestarts()
  }

  private func printHead() {
    let machine = result.machine
    Swift.print(
      """
      handlebench \(result.benchmark) \(result.version): \
      \(result.optionsText)
      \(machine.processors) × \(machine.processor)\(machine.isVirtual ? " (virtual)" : ""), \
      \(Figure.bytes(Double(machine.memoryBytes))), Linux \(machine.kernel), \(machine.filesystem)
      \(machine.software.map { "\($0.name) \($0.version)" }.joined(separator: ", "))
      \(noise)\(result.isOptimised ? "" : "\nDEBUG BUILD: the figures say nothing")

      """)
  }

  private var noise: String {
    let noise = result.noise
    let figures = """
      the same work varied by \(Figure.decimal(noise.spreadPercent, 1)) %, and its median changed by \
      \(Figure.decimal(noise.driftPercent, 1)) %
      """
    return noise.isNoisy
      ? "NOISY MACHINE: \(figures); run again when nothing else runs" : "noise: \(figures)"
  }

  // MARK: Values

  private func printValues() {
    printTable("medians of the rounds, and half of what they vary by") { workload, measured in
      measured.spread.map {
        "\(Figure.text($0.median, workload.unit)) ±\(Text.right("\($0.percent)", 2))%"
      } ?? "failed"
    }
  }

  private func printLatencies() {
    let timed = result.workloads.filter { $0.contenders.contains { $0.latency != nil } }
    guard !timed.isEmpty else { return }
    printTable(
      "\np50 / p99 / p99.9 of single operations, or of what is in brackets, if there were enough",
      timed
    ) {
      _, measured in measured.latency.map(Self.percentiles) ?? ""
    }
  }

  private static func percentiles(_ latency: Latency) -> String {
    let quantiles = [50, 99, 99.9].compactMap(latency.quantile).map { Figure.time(Double($0)) }
    let sample = latency.sample == Latency.operation ? "" : " [\(latency.sample)]"
    return quantiles.joined(separator: " / ") + sample
  }

  /// Prints a row for each workload, with a cell for each contender. Workloads with other contenders
  /// have a table of their own.
  private func printTable(
    _ head: String, _ workloads: [Comparison]? = nil, cell: (Comparison, Measured) -> String
  ) {
    Swift.print("\(head)\n")
    for group in Self.groups(workloads ?? result.workloads) { printRows(group, cell) }
  }

  /// Divides workloads into those that have contenders in common, besides the first.
  private static func groups(_ workloads: [Comparison]) -> [[Comparison]] {
    var groups: [[Comparison]] = []
    for workload in workloads {
      let names = Set(workload.others.map(\.name))
      if let last = groups.last, !names.isDisjoint(with: last.flatMap(\.others).map(\.name)) {
        groups[groups.count - 1].append(workload)
      } else {
        groups.append([workload])
      }
    }
    return groups
  }

  private func printRows(_ workloads: [Comparison], _ cell: (Comparison, Measured) -> String) {
    let names = workloads.flatMap { $0.contenders.map(\.name) }.uniqued()
    let rows = workloads.map { workload in
      names.map { name in
        workload.contenders.first { $0.name == name }.map { cell(workload, $0) } ?? ""
      }
    }
    let widths = names.indices.map { i in
      max(names[i].count, rows.map { $0[i].count }.max() ?? 0) + 2
    }
    func line(_ title: String, _ cells: [String]) -> String {
      Text.left(title, Self.title) + zip(cells, widths).map { Text.cell($0, $1) }.joined()
    }
    Swift.print(line("", names))
    for (workload, cells) in zip(workloads, rows) { Swift.print(line(workload.title, cells)) }
  }

  // MARK: Goals

  private func printGoals() {
    Swift.print("\nbeside others: the median of the rounds' ratios, the lowest and the highest\n")
    for workload in result.workloads {
      guard let reference = workload.reference, let ratio = workload.ratio(to: reference) else {
        continue
      }
      Swift.print(
        Text.left(workload.title, Self.title) + Text.cell(Self.range(ratio), 20)
          + "  × \(Text.left(reference.name, 16))" + Self.goal(workload))
    }
    for workload in result.workloads where workload.goal != nil && workload.reference == nil {
      Swift.print(Text.left(workload.title, Self.title + 40) + Self.goal(workload))
    }
    let met = result.workloads.compactMap(\.isMet)
    guard !met.isEmpty else { return }
    Swift.print("\n\(met.count { $0 }) of \(met.count) goals met")
  }

  private static func range(_ ratio: Spread) -> String {
    "\(Figure.decimal(ratio.median, 2)) (\(Figure.decimal(ratio.lowest, 2))…"
      + "\(Figure.decimal(ratio.highest, 2)))"
  }

  private static func goal(_ workload: Comparison) -> String {
    guard let goal = workload.goal else { return "" }
    let limit = Figure.text(goal, workload.unit)
    guard let reached = workload.reached else { return "goal \(limit): nothing to compare with" }
    let value = Figure.text(reached.median, workload.unit)
    let figure =
      switch goal.measure {
      case .ratio: ""
      case .difference: "\(value) more, "
      case .value: "\(value), "
      }
    return "\(figure)goal \(limit)  \(goal.isMet(by: reached.median) ? "met" : "NOT MET")"
  }

  // MARK: Servers

  private func printServers() {
    if !result.servers.isEmpty { Swift.print("") }
    for server in result.servers {
      Swift.print(
        Text.left(server.name, Self.title) + "descriptors \(server.descriptors), memory "
          + "\(Text.grouped(server.kibibytes)) KiB")
    }
    for server in result.servers {
      for failure in server.failures { Swift.print("\(server.name) failed: \(failure)") }
    }
  }

  private func printRestarts() {
    guard let p50 = result.restart(50), let p99 = result.restart(99) else { return }
    Swift.print(
      "\nfrom kill to the next reply: p50 \(Figure.time(Double(p50))), "
        + "p99 \(Figure.time(Double(p99))), \(result.restarts.count) kills")
  }
}

extension BenchmarkResult {
  /// Returns a percentile of the restart times; `nil` if nothing was killed.
  func restart(_ percent: Int) -> UInt64? {
    guard !restarts.isEmpty else { return nil }
    return restarts[min(restarts.count - 1, restarts.count * percent / 100)]
  }
}

extension Sequence where Element: Hashable {
  /// Returns the elements without repetitions, in the order in which they first come.
  func uniqued() -> [Element] {
    var seen: Set<Element> = []
    return filter { seen.insert($0).inserted }
  }
}
