import Formatting

/// What one contender needed for one kind of work.
struct SharedResult {
  let workload: SharedWorkload
  /// Of each contender, in their order; `nil` if it has no such work.
  /// The third is that of the store in a directory.
  let sides: [Side?]
  /// The gateways' time divided by that of libpq: the median of the rounds.
  let ratio: Double?

  /// Whether the gateways reach the goal; `nil` if there is none.
  var isMet: Bool? {
    guard let goal = workload.goal, let ours = sides[0] else { return nil }
    return goal.isMet(ours.each, local: sides[2]?.each ?? 0)
  }
}

/// The results as tables and as JSON.
struct SharedReport {
  let server: SharedServer
  let contenders: [String]
  let results: [SharedResult]

  func print() {
    Swift.print("\(server)\n\noperations a second\n")
    Swift.print(head + Text.cell("/ libpq", 9) + Text.cell("goal", 12))
    for result in results {
      let cells = result.sides.map { side in
        Text.cell(side.map { Text.grouped(Int(1e9 / $0.each)) } ?? "", Self.width)
      }
      let ratio = Text.cell(result.ratio.map { Self.hundredths($0) } ?? "", 9)
      Swift.print(
        Text.left(result.workload.name, Self.title) + cells.joined() + ratio
          + Text.cell(result.workload.goal.map(Self.text) ?? "", 12) + Self.verdict(result.isMet))
    }
    Swift.print("\nmicroseconds a call, p50/p99\n")
    Swift.print(head)
    for result in results {
      let cells = result.sides.map { side in
        Text.cell(
          side.map { "\(Self.microseconds($0.p50))/\(Self.microseconds($0.p99))" } ?? "", Self.width
        )
      }
      Swift.print(Text.left(result.workload.name, Self.title) + cells.joined())
    }
    let met = results.compactMap(\.isMet)
    Swift.print("\n\(met.count { $0 }) of \(met.count) goals met")
  }

  private static let title = 34
  private static let width = 18

  private var head: String {
    Text.left("", Self.title) + contenders.map { Text.cell($0, Self.width) }.joined()
  }

  private static func text(_ goal: SharedWorkload.Goal) -> String {
    switch goal {
    case .rate(let rate): "≥ \(Text.grouped(Int(rate)))"
    case .time(let time): time < 1000 ? "≤ \(Int(time)) ns" : "≤ \(Int(time / 1000)) µs"
    case .timesLocal(let times): "≤ \(hundredths(times)) LMDB"
    }
  }

  private static func verdict(_ isMet: Bool?) -> String {
    isMet.map { $0 ? "  met" : "  NOT MET" } ?? ""
  }

  /// Nanoseconds as microseconds, with digits after the point only if they say something.
  private static func microseconds(_ nanoseconds: UInt64) -> String {
    nanoseconds < 10_000
      ? hundredths(Double(nanoseconds) / 1000) : "\((nanoseconds + 500) / 1000)"
  }

  private static func hundredths(_ value: Double) -> String {
    let hundredths = Int((value * 100).rounded())
    let rest = hundredths % 100
    return "\(hundredths / 100).\(rest < 10 ? "0" : "")\(rest)"
  }

  // MARK: JSON

  var json: JSON {
    .object([
      ("unit", .string("ns")), ("server", .string("\(server)")),
      ("workloads", .array(results.map(row))),
    ])
  }

  private func row(_ result: SharedResult) -> JSON {
    let sides = zip(contenders, result.sides).map { ($0, $1.map(Self.json) ?? .null) }
    return .object([
      ("name", .string(result.workload.name)), ("contenders", .object(sides)),
      ("toLibpq", result.ratio.map { .decimal($0, places: 3) } ?? .null),
      ("goal", result.workload.goal.map(Self.json) ?? .null),
      ("isMet", result.isMet.map { .flag($0) } ?? .null),
    ])
  }

  private static func json(_ side: Side) -> JSON {
    .object([
      ("rate", .decimal(1e9 / side.each, places: 1)), ("mean", .decimal(side.each, places: 1)),
      ("p50", .number(side.p50)), ("p99", .number(side.p99)),
    ])
  }

  private static func json(_ goal: SharedWorkload.Goal) -> JSON {
    switch goal {
    case .rate(let rate): .object([("rate", .decimal(rate, places: 0))])
    case .time(let time): .object([("mean", .decimal(time, places: 0))])
    case .timesLocal(let times): .object([("timesLMDB", .decimal(times, places: 2))])
    }
  }
}
