import Formatting
import SystemPackage

/// The results as a table and as JSON.
struct Report {
  let title: String

  func printHead() {
    Swift.print("\(title); nanoseconds per operation\n")
    Swift.print(
      Text.left("", 28) + Text.cell("library", 10) + Text.cell("p50/p99/p99.9", 22)
        + Text.cell("yardstick", 11) + Text.cell("p50/p99/p99.9", 22) + Text.cell("ratio", 8)
        + Text.cell("goal", 7))
  }

  func print(_ row: Comparison) {
    let (result, goal) = Self.result(row)
    Swift.print(
      Text.left(row.name, 28) + Self.side(row.ours, 10) + Self.side(row.yardstick, 11)
        + Text.cell(result, 8) + Text.cell(goal, 7))
  }

  private static func result(_ row: Comparison) -> (String, goal: String) {
    switch row.goal {
    case .ratio(let goal): (decimal(row.ratio, 2), "≤ " + decimal(goal, 2))
    case .added(let goal): (decimal(row.added, 0) + " ns", "≤ " + decimal(goal, 0))
    case nil: (decimal(row.ratio, 2), "")
    }
  }

  private static func side(_ side: Side, _ width: Int) -> String {
    Text.cell(decimal(side.each, 0), width)
      + Text.cell("\(side.p50)/\(side.p99)/\(side.p999)", 22)
  }

  private static func decimal(_ value: Double, _ places: Int) -> String {
    guard value >= 0 else { return "-" + decimal(-value, places) }
    var scale = 1
    for _ in 0..<places { scale *= 10 }
    let scaled = Int((value * Double(scale)).rounded())
    guard places > 0 else { return String(scaled) }
    let fraction = String(scaled % scale)
    return "\(scaled / scale)." + String(repeating: "0", count: places - fraction.count) + fraction
  }

  func write(_ rows: [Comparison], to path: FilePath) throws {
    let object = JSON.object([
      ("title", .string(title)), ("unit", .string("ns")),
      ("workloads", .array(rows.map(Self.json))),
    ])
    try Text.write(object, to: path)
  }

  private static func json(_ row: Comparison) -> JSON {
    .object([
      ("name", .string(row.name)), ("library", json(row.ours)), ("yardstick", json(row.yardstick)),
      ("ratio", .decimal(row.ratio, places: 3)), ("added", .decimal(row.added, places: 1)),
      ("goal", json(row.goal)),
    ])
  }

  private static func json(_ goal: Goal?) -> JSON {
    switch goal {
    case .ratio(let goal): .object([("ratio", .decimal(goal, places: 2))])
    case .added(let goal): .object([("added", .decimal(goal, places: 0))])
    case nil: .null
    }
  }

  private static func json(_ side: Side) -> JSON {
    .object([
      ("mean", .decimal(side.each, places: 1)), ("p50", .number(side.p50)),
      ("p99", .number(side.p99)), ("p999", .number(side.p999)),
    ])
  }
}
