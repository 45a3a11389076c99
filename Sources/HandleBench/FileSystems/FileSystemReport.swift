import Formatting

/// The results of the contenders, as tables and as JSON. The first contender is the bare filesystem,
/// the second is HandleFS.
struct FileSystemReport {
  let workloads: [FileSystemWorkload]
  let results: [FileSystemResult]
  /// What the goals name and what was not measured, and why.
  let missing: [(name: String, reason: String)]
  let restarts: [UInt64]

  var bare: FileSystemResult { results[0] }
  var ours: FileSystemResult { results[1] }
  var others: ArraySlice<FileSystemResult> { results.dropFirst(2) }

  /// Returns the ratio to the fastest other server, and that server's name.
  func fastest(_ workload: Int) -> (name: String, ratio: Spread)? {
    ours.besideFastest(of: others, workload)
  }

  /// Returns whether a workload reaches its goal, or `nil` if it has none or there is nothing to
  /// compare it with.
  func isMet(_ workload: Int) -> Bool? {
    guard let goal = workloads[workload].goal, let fastest = fastest(workload) else { return nil }
    return fastest.ratio.median >= goal
  }

  func print() {
    printRates()
    printRatios()
    printUsage()
    for result in others {
      for failure in result.failures { Swift.print("\(result.name) failed: \(failure)") }
    }
    for (name, reason) in missing { Swift.print("without \(name): \(reason)") }
    guard !restarts.isEmpty else { return }
    Swift.print(
      "\nfrom kill to the next reply: p50 \(quantile(50)) µs, p99 \(quantile(99)) µs, "
        + "\(restarts.count) kills")
  }

  private var width: Int { max(14, results.map(\.name.count).max() ?? 0) + 1 }

  private func printRates() {
    Swift.print("operations a second; seconds for commands\n")
    Swift.print(
      Text.left("", Self.title) + results.map { Text.cell($0.name, width) }.joined())
    for (i, workload) in workloads.enumerated() {
      let cells = results.map { Text.cell(Self.figure($0.rate(i), workload), width) }
      Swift.print(Text.left(workload.title, Self.title) + cells.joined())
    }
  }

  private func printRatios() {
    Swift.print(
      "\nhandlefs / other: the median of the rounds' ratios, the lowest and the highest\n")
    Swift.print(
      Text.left("", Self.title) + Text.cell("bare", 7) + Text.cell("fastest other", 23)
        + Text.cell("goal", 7))
    for (i, workload) in workloads.enumerated() {
      let toBare = ours.ratio(to: bare, i).map { Self.decimal($0.median) } ?? ""
      Swift.print(
        Text.left(workload.title, Self.title) + Text.cell(toBare, 7)
          + Text.cell(fastest(i).map { Self.range($0.ratio) } ?? "", 23)
          + Text.cell(workload.goal.map { "≥ " + Self.decimal($0) } ?? "", 7)
          + Self.verdict(isMet(i)) + (fastest(i)?.name ?? ""))
    }
    let met = workloads.indices.compactMap(isMet)
    Swift.print("\n\(met.count { $0 }) of \(workloads.count { $0.goal != nil }) goals met\n")
  }

  private func printUsage() {
    for result in results.dropFirst() {
      Swift.print(
        Text.left(result.name, Self.title)
          + "descriptors \(result.descriptors), memory \(Text.grouped(result.kibibytes)) KiB")
    }
  }

  private static let title = 36

  private static func verdict(_ isMet: Bool?) -> String {
    Text.left(isMet.map { $0 ? "  met" : "  NOT MET" } ?? "", 11)
  }

  private static func figure(_ rate: Spread?, _ workload: FileSystemWorkload) -> String {
    guard let rate else { return "failed" }
    let figure =
      workload.isCommand ? decimal(1 / rate.median) : Text.grouped(Int(rate.median.rounded()))
    return "\(figure) ±\(Text.right("\(rate.percent)", 2))%"
  }

  private static func range(_ ratio: Spread) -> String {
    "\(decimal(ratio.median)) (\(decimal(ratio.lowest))…\(decimal(ratio.highest)))"
  }

  /// Returns a percentile of the restart times, in microseconds.
  private func quantile(_ percent: Int) -> UInt64 {
    restarts[min(restarts.count - 1, restarts.count * percent / 100)] / 1000
  }

  private static func decimal(_ value: Double) -> String {
    let hundredths = Int((value * 100).rounded())
    let rest = hundredths % 100
    return "\(hundredths / 100).\(rest < 10 ? "0" : "")\(rest)"
  }
}

extension FileSystemWorkload {
  /// The name, and how many clients there are.
  var title: String { isCommand ? name : "\(name); \(Turn.clientsText(clients))" }
}
