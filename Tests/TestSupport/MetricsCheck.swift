import Foundation
import Testing

/// The programs that check figures for monitoring systems: `promtool` of Prometheus, and the parsers of
/// its library for Python.
public enum MetricsCheck {
  private static let promtool = ProcessInfo.processInfo.environment["PROMTOOL"] ?? ""

  /// Whether the programs are installed.
  public static var isThere: Bool {
    FileManager.default.isExecutableFile(atPath: promtool)
      && (try? run("/usr/bin/python3", "-c", "import prometheus_client").status) == 0
  }

  /// What `promtool check metrics` finds fault with, and its exit code.
  public static func promtool(_ text: String) throws -> (findings: [String], status: Int32) {
    let directory = try TemporaryDirectory()
    try write(text, to: directory.appending("figures"))
    let result = try run(
      "sh", "-c", #"exec "$0" check metrics <"$1""#, promtool, directory.appending("figures").string
    )
    let findings = (result.output + result.errors).split(separator: "\n").map(String.init)
    return (findings, result.status)
  }

  /// One figure that a parser has read.
  public struct Sample: Codable, Equatable {
    /// The type and the unit of its family; the unit is empty in the older text.
    public let type, unit: String
    /// Its own name, with the suffix.
    public let name: String
    /// Its labels.
    public let labels: [String: String]
    /// Its value.
    public let value: Double
  }

  /// The figures that the strict parser of OpenMetrics reads.
  public static func openMetrics(_ text: String) throws -> [Sample] {
    try parse(text, "prometheus_client.openmetrics.parser")
  }

  /// The figures that the parser of the older text reads.
  public static func prometheus(_ text: String) throws -> [Sample] {
    try parse(text, "prometheus_client.parser")
  }

  private static func parse(_ text: String, _ parser: String) throws -> [Sample] {
    let directory = try TemporaryDirectory()
    try write(text, to: directory.appending("figures"))
    let program = """
      import json, sys
      from \(parser) import text_string_to_metric_families as parse
      text = open(sys.argv[1], encoding="utf-8", newline="").read()
      print(json.dumps([dict(type=f.type, unit=f.unit, name=s.name, labels=s.labels, value=s.value)
                        for f in parse(text) for s in f.samples]))
      """
    let printed = try succeed(
      "/usr/bin/python3", "-c", program, directory.appending("figures").string)
    return try JSONDecoder().decode([Sample].self, from: Data(printed.utf8))
  }
}

extension Trait where Self == ConditionTrait {
  /// The test needs the programs that check figures.
  public static var checksMetrics: Self {
    .enabled(
      if: MetricsCheck.isThere || isContinuousIntegration,
      "needs promtool (Scripts/unpack promtool) and python3-prometheus-client")
  }
}
