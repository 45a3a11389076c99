/// Counters, gauges and histograms, as a text for monitoring systems.
///
/// There are two such texts, and none is valid as both: OpenMetrics declares a counter without its
/// suffix (`# TYPE requests counter` and then `requests_total 7`), and the older text of Prometheus
/// under its whole name.
///
/// A name ends with its unit, which is a base unit (`_seconds`, `_bytes`). Each name is for one call.
public struct Metrics {
  /// Which of the two texts.
  public enum Format: Sendable {
    /// OpenMetrics 1.0.
    case openMetrics
    /// The text format of Prometheus 0.0.4, which `promtool check metrics` and node_exporter's
    /// textfile collector read.
    case prometheus
  }

  /// Names and values, in the order in which they are printed.
  public typealias Labels = KeyValuePairs<String, String>

  /// How many values fell into each power of two (2ⁿ…2ⁿ⁺¹−1 at index n), and the sum of all.
  public struct Distribution {
    let buckets: [UInt64]
    let sum: UInt64

    /// Creates a distribution from the counts and the sum.
    public init(buckets: [UInt64], sum: UInt64) {
      self.buckets = buckets
      self.sum = sum
    }
  }

  /// No labels but the common ones.
  public static var none: Labels { [:] }

  private let format: Format
  private let common: Labels
  private var bytes: [UInt8] = []

  /// Creates a text without figures.
  ///
  /// - Parameter common: labels that each figure has.
  public init(_ format: Format, common: Labels) {
    self.format = format
    self.common = common
  }

  /// Returns the whole text.
  public func finished() -> [UInt8] {
    format == .openMetrics ? bytes + Array("# EOF\n".utf8) : bytes
  }

  /// Adds a counter. `name` has no `_total`.
  public mutating func counter(_ name: String, _ help: String, _ samples: [(Labels, UInt64)]) {
    guard !samples.isEmpty else { return }
    declare(format == .openMetrics ? name : name + "_total", "counter", help)
    for (labels, value) in samples { add(name + "_total", labels, "\(value)") }
  }

  /// Adds a counter that has one value. `name` has no `_total`.
  public mutating func counter(_ name: String, _ help: String, _ value: UInt64) {
    counter(name, help, [(Self.none, value)])
  }

  /// Adds a gauge: a number that may go up and down.
  public mutating func gauge<N: Numeric>(_ name: String, _ help: String, _ samples: [(Labels, N)]) {
    guard !samples.isEmpty else { return }
    declare(name, "gauge", help)
    for (labels, value) in samples { add(name, labels, "\(value)") }
  }

  /// Adds a gauge that has one value.
  public mutating func gauge(_ name: String, _ help: String, _ value: some Numeric) {
    gauge(name, help, [(Self.none, value)])
  }

  /// Adds a histogram.
  ///
  /// - Parameters:
  ///   - powers: the powers of two that get a bucket of their own.
  ///   - scale: how many of the values are one of the unit: 1e9 for nanoseconds as seconds.
  public mutating func histogram(
    _ name: String, _ help: String, powers: ClosedRange<Int>, scale: Double,
    _ samples: [(Labels, Distribution)]
  ) {
    guard !samples.isEmpty else { return }
    declare(name, "histogram", help)
    for (labels, values) in samples {
      for power in powers {
        // The largest value of the power: a bucket's bound belongs to the bucket.
        let bound = Double(UInt64.max >> UInt64(63 - power)) / scale
        let count = values.buckets.prefix(power + 1).reduce(0, +)
        add(name + "_bucket", labels, le: "\(bound)", "\(count)")
      }
      let count = values.buckets.reduce(0, +)
      add(name + "_bucket", labels, le: "+Inf", "\(count)")
      add(name + "_sum", labels, "\(Double(values.sum) / scale)")
      add(name + "_count", labels, "\(count)")
    }
  }

  private mutating func declare(_ name: String, _ type: String, _ help: String) {
    bytes.append("# HELP \(name) \(help)\n# TYPE \(name) \(type)\n")
    guard format == .openMetrics else { return }
    for unit in ["seconds", "bytes"] where name.hasSuffix("_\(unit)") {
      bytes.append("# UNIT \(name) \(unit)\n")
    }
  }

  private mutating func add(_ name: String, _ labels: Labels, le: String? = nil, _ value: String) {
    let all = Array(common) + Array(labels) + (le.map { [("le", $0)] } ?? [])
    let words = all.map { "\($0.0)=\"\(Self.escaped($0.1))\"" }
    bytes.append(name)
    if !words.isEmpty { bytes.append("{\(words.joined(separator: ","))}") }
    bytes.append(" \(value)\n")
  }

  private static func escaped(_ value: String) -> String {
    String(
      value.unicodeScalars.map { scalar in
        switch scalar {
        case "\\": #"\\"#
        case "\"": #"\""#
        case "\n": #"\n"#
        default: String(scalar)
        }
      }.joined())
  }
}
