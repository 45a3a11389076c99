import SystemPackage

/// The results as a table and as JSON.
struct Report {
  let title: String

  func printHead() {
    Swift.print("\(title); nanoseconds an operation\n")
    Swift.print(
      Self.left("", 28) + Self.right("library", 10) + Self.right("p50/p99/p99.9", 22)
        + Self.right("yardstick", 11) + Self.right("p50/p99/p99.9", 22) + Self.right("ratio", 8)
        + Self.right("goal", 7))
  }

  func print(_ row: Comparison) {
    let goal = row.goal.map { "≤ " + Self.decimal($0, 2) } ?? ""
    Swift.print(
      Self.left(row.name, 28) + Self.side(row.ours, 10) + Self.side(row.yardstick, 11)
        + Self.right(Self.decimal(row.ratio, 2), 8) + Self.right(goal, 7))
  }

  private static func side(_ side: Side, _ width: Int) -> String {
    right(decimal(side.each, 0), width) + right("\(side.p50)/\(side.p99)/\(side.p999)", 22)
  }

  private static func left(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }

  private static func right(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(1, width - text.count)) + text
  }

  private static func decimal(_ value: Double, _ places: Int) -> String {
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
      "goal": \(row.goal.map { Self.decimal($0, 2) } ?? "null")}
      """
    }
    let text =
      "{\"title\": \"\(title)\", \"unit\": \"ns\", \"workloads\": [\n"
      + lines.joined(separator: ",\n") + "\n]}\n"
    let file = try FileDescriptor.open(
      path, .writeOnly, options: [.create, .truncate], permissions: .ownerReadWrite)
    try file.closeAfter { _ = try file.writeAll(text.utf8) }
  }

  private static func json(_ side: Side) -> String {
    "{\"mean\": \(decimal(side.each, 1)), \"p50\": \(side.p50), \"p99\": \(side.p99), "
      + "\"p999\": \(side.p999)}"
  }
}
