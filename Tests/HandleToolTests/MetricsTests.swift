import Foundation
import Formatting
import SystemPackage
import TestSupport
import Testing

/// Figures for monitoring systems.
@Suite struct MetricsTests {
  /// A value of a label is read as it was written, whatever is in it.
  @Test(.checksMetrics) func labelsAreReadAsWritten() throws {
    let values = [
      "", "plain", #"a "quoted" name"#, #"back\slash"#, #"\n is no newline"#, "two\nlines",
      #"ends in \"#, "{}=,# ", "tab\t", "Straße 北", "\u{1}\u{7f}\u{85}\u{2028}",
    ]
    for format in [Metrics.Format.openMetrics, .prometheus] {
      var metrics = Metrics(format, common: ["common": values[2]])
      metrics.gauge("test_values", "Values.", values.map { (["own": $0] as Metrics.Labels, 1) })
      let text = String(decoding: metrics.finished(), as: UTF8.self)
      let samples =
        try format == .openMetrics
        ? MetricsCheck.openMetrics(text) : MetricsCheck.prometheus(text)
      #expect(samples.map { $0.labels["own"] } == values, "\(text)")
      #expect(samples.allSatisfy { $0.labels["common"] == values[2] }, "\(text)")
      if format == .prometheus { #expect(try MetricsCheck.promtool(text) == ([], 0), "\(text)") }
    }
  }

  /// A bucket counts the values up to its bound, with the bound.
  @Test(.checksMetrics) func bucketsCountTheValuesUpToTheirBounds() throws {
    let values: [UInt64] = [
      0, 1, 2, 3, 4, 1022, 1023, 1024, 1025, 2047, 2048, 8_589_934_591, 1 << 40,
    ]
    var buckets = [UInt64](repeating: 0, count: 64)
    for value in values { buckets[63 - (value | 1).leadingZeroBitCount] += 1 }
    var metrics = Metrics(.openMetrics, common: [:])
    metrics.histogram(
      "test_duration_seconds", "Times.", powers: 9...32, scale: 1e9,
      [(Metrics.none, .init(buckets: buckets, sum: values.reduce(0, +)))])
    let samples = try MetricsCheck.openMetrics(String(decoding: metrics.finished(), as: UTF8.self))
    let bounds = samples.filter { $0.name.hasSuffix("_bucket") }
    #expect(bounds.count == 25)
    for sample in bounds {
      let bound = sample.labels["le"] == "+Inf" ? .infinity : Double(sample.labels["le"] ?? "")
      let expected = values.count { Double($0) / 1e9 <= bound ?? -1 }
      #expect(sample.value == Double(expected), "up to \(sample.labels["le"] ?? "")")
    }
    #expect(samples.first { $0.name.hasSuffix("_sum") }?.value == Double(values.reduce(0, +)) / 1e9)
    #expect(samples.first { $0.name.hasSuffix("_count") }?.value == Double(values.count))
    #expect(samples.allSatisfy { $0.type == "histogram" && $0.unit == "seconds" })
  }

  /// The largest numbers do not trap, and are printed in full.
  @Test func largeNumbers() {
    var metrics = Metrics(.prometheus, common: [:])
    metrics.counter("test", "A counter.", UInt64.max)
    metrics.histogram(
      "test_changes", "Amounts.", powers: 0...63, scale: 1,
      [(Metrics.none, .init(buckets: [UInt64](repeating: 1, count: 64), sum: .max))])
    let text = String(decoding: metrics.finished(), as: UTF8.self)
    #expect(text.contains("test_total 18446744073709551615\n"))
    #expect(text.contains("test_changes_bucket{le=\"1.8446744073709552e+19\"} 64\n"))
  }

  @Test(.opensHandles, .checksMetrics) func aStoresFigures() throws {
    let place = try Workplace.indexed()
    let older = try output(of: "stat", place.store, "--format", "prometheus")
    #expect(try MetricsCheck.promtool(older) == ([], 0))
    let samples = try MetricsCheck.openMetrics(
      output(of: "stat", place.store, "--format", "openmetrics"))
    #expect(try MetricsCheck.prometheus(older).map(\.name) == samples.map(\.name))
    #expect(samples.allSatisfy { $0.labels["store"] == place.store })
    func sum(_ name: String) -> Double {
      samples.filter { $0.name == name }.map(\.value).reduce(0, +)
    }
    #expect(sum("handlestore_nodes") == Double(Workplace.files))
    #expect(sum("handlestore_filesystem_mounted") == 1)
    let json = try figures(output(of: "stat", place.store, "--format", "json"))
    #expect(json.number("used") == UInt64(sum("handlestore_used_bytes")))
    #expect(samples.first { $0.name == "handlestore_used_bytes" }?.unit == "bytes")
  }

  /// The label of a store is its path, however it was named.
  @Test(.opensHandles, .checksMetrics, arguments: [("a\"b\\c\nd e", ""), ("a", "\\xff")])
  func storesWithStrangeNames(_ name: String, _ bytes: String) throws {
    let place = try Workplace.indexed()
    let parent = place.directory.appending(name)
    let script =
      #"d="$0$(printf "$1")"; mkdir "$d" && mv "$2" "$d/s" && cd "$d" && exec "$3" stat s --format "$4""#
    for format in ["openmetrics", "prometheus"] {
      let text = try succeed(
        "sh", "-c", script, parent.string, bytes, place.store, Commands.handlestore, format)
      try succeed(
        "sh", "-c", #"d="$0$(printf "$1")"; mv "$d/s" "$2"; rmdir "$d""#, parent.string, bytes,
        place.store)
      let samples =
        try format == "openmetrics"
        ? MetricsCheck.openMetrics(text) : MetricsCheck.prometheus(text)
      #expect(samples.allSatisfy { $0.labels["store"] == "\(parent)\(bytes)/s" }, "\(text)")
    }
  }

  @Test(.opensHandles, arguments: ["text", "json", "openmetrics", "prometheus"])
  func aFullDiskIsAnError(_ format: String) throws {
    let place = try Workplace.indexed()
    let result = try run(
      "sh", "-c", #"exec "$0" stat "$1" --format "$2" >/dev/full"#, Commands.handlestore,
      place.store, format)
    #expect(result.status == 4)
    #expect(result.errors.contains("No space left on device"))
  }

  @Test func unknownFormatsAreRefused() throws {
    let result = try handlestore("stat", "/nowhere", "--format", "xml")
    #expect(result.status == 2 && result.errors.contains("openmetrics"), "\(result.errors)")
  }
}
