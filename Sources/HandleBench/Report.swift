import SystemPackage

/// The results as a table and as JSON.
struct Report {
  let title: String

  func printHead() {
    Swift.print("\(title); nanoseconds per operation\n")
    Swift.print(
      Text.left("", 28) + Text.right("library", 10) + Text.right("p50/p99/p99.9", 22)
        + Text.right("yardstick", 11) + Text.right("p50/p99/p99.9", 22) + Text.right("ratio", 8)
        + Text.right("goal", 7))
  }

  func print(_ row: Comparison) {
    let (result, goal) = Self.result(row)
    Swift.print(
      Text.left(row.name, 28) + Self.side(row.ours, 10) + Self.side(row.yardstick, 11)
        + Text.right(result, 8) + Text.right(goal, 7))
  }

  private static func result(_ row: Comparison) -> (String, goal: String) {
    switch row.goal {
    case .ratio(let goal): (decimal(row.ratio, 2), "≤ " + decimal(goal, 2))
    case .added(let goal): (decimal(row.added, 0) + " ns", "≤ " + decimal(goal, 0))
    case nil: (decimal(row.ratio, 2), "")
    }
  }

  private static func side(_ side: Side, _ width: Int) -> String {
    Text.right(decimal(side.each, 0), width)
      + Text.right("\(side.p50)/\(side.p99)/\(side.p999)", 22)
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
    let lines = rows.map { row in
      """
        {"name": "\(row.name)", "library": \(Self.json(row.ours)), \
      "yardstick": \(Self.json(row.yardstick)), "ratio": \(Self.decimal(row.ratio, 3)), \
      "added": \(Self.decimal(row.added, 1)), "goal": \(Self.json(row.goal))}
      """
    }
    let text =
      "{\"title\": \"\(title)\", \"unit\": \"ns\", \"workloads\": [\n"
      + lines.joined(separator: ",\n") + "\n]}\n"
    try Text.write(text, to: path)
  }

  private static func json(_ goal: Goal?) -> String {
    switch goal {
    case .ratio(let goal): "{\"ratio\": \(decimal(goal, 2))}"
    case .added(let goal): "{\"added\": \(decimal(goal, 0))}"
    case nil: "null"
    }
  }

  private static func json(_ side: Side) -> String {
    "{\"mean\": \(decimal(side.each, 1)), \"p50\": \(side.p50), \"p99\": \(side.p99), "
      + "\"p999\": \(side.p999)}"
  }
}
