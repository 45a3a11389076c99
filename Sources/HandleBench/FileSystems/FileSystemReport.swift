import Formatting

/// The results of the contenders, as a table and as JSON. The first contender is the bare
/// filesystem, the second is HandleFS.
struct FileSystemReport {
  let results: [FileSystemResult]
  let restarts: [UInt64]

  private var bare: FileSystemResult { results[0] }
  private var ours: FileSystemResult { results[1] }
  private var others: ArraySlice<FileSystemResult> { results.dropFirst(2) }

  func print() {
    Swift.print("operations a second\n")
    Swift.print(
      Text.left("", 26) + results.map { Text.cell($0.name, 11) }.joined()
        + Text.cell("by bare", 9) + Text.cell("by best", 9))
    for (i, workload) in FileSystemWorkload.all.enumerated() {
      Swift.print(
        Text.left(workload.name, 26)
          + results.map { Text.cell("\(Int($0.rate(i)))", 11) }.joined()
          + Text.cell(Self.decimal(ours.rate(i) / bare.rate(i)), 9)
          + Text.cell(best(i).map { Self.decimal(ours.rate(i) / $0) } ?? "", 9))
    }
    Swift.print("")
    printUsage("descriptors", \.descriptors)
    printUsage("memory, KiB", \.kibibytes)
    guard !restarts.isEmpty else { return }
    Swift.print(
      "\nfrom kill to the next reply: p50 \(quantile(50)) µs, p99 \(quantile(99)) µs, "
        + "\(restarts.count) kills")
  }

  private func printUsage(_ name: String, _ value: KeyPath<FileSystemResult, Int>) {
    Swift.print(
      Text.left(name, 26)
        + results.map { Text.cell($0.name == "bare" ? "" : "\($0[keyPath: value])", 11) }
        .joined())
  }

  /// Returns the rate of the fastest other server.
  private func best(_ workload: Int) -> Double? { others.map { $0.rate(workload) }.max() }

  /// Returns a percentile of the restart times, in microseconds.
  private func quantile(_ percent: Int) -> UInt64 {
    restarts[min(restarts.count - 1, restarts.count * percent / 100)] / 1000
  }

  private static func decimal(_ value: Double) -> String {
    let hundredths = Int((value * 100).rounded())
    let rest = hundredths % 100
    return "\(hundredths / 100).\(rest < 10 ? "0" : "")\(rest)"
  }

  var json: JSON {
    let rows = FileSystemWorkload.all.enumerated().map { i, workload in
      JSON.object(
        [("name", .string(workload.name))] + results.map { ($0.name, .count(Int($0.rate(i)))) })
    }
    let usage = results.dropFirst().map {
      JSON.object([
        ("name", .string($0.name)), ("descriptors", .count($0.descriptors)),
        ("kibibytes", .count($0.kibibytes)),
      ])
    }
    return .object([
      ("unit", .string("operations a second")), ("workloads", .array(rows)),
      ("servers", .array(usage)),
      ("restartNanoseconds", .array(restarts.map { .number($0) })),
    ])
  }
}
