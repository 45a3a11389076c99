import Foundation
import TestSupport
import Testing

/// What `handlebench report` and a look at its page need.
private enum Browser {
  static let isInstalled =
    (try? run(
      "sh", "-c",
      "command -v gnuplot && command -v chromedriver && /usr/bin/python3 -c 'import selenium'"
    ).status) == 0
}

/// `handlebench report`, looked at in headless Chromium.
@Suite(.enabled(if: Browser.isInstalled, "gnuplot, chromium-driver or Selenium is missing"))
struct BenchReportTests {
  /// What Tests/Report/look.py found.
  private struct Look: Decodable {
    let window, content: Int
    let values, complaints: [String]
    let plots: [[Double]]
    let back, axis, text: String
  }

  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private var page: String { directory.appending("report.html").string }

  private func report(_ results: [String]) throws {
    let result = try run([Commands.handlebench, "report"] + results + ["--html", page])
    try #require(result.status == 0, "\(result.errors)")
  }

  /// Opens the page. The browser must have nothing to complain about, and nothing may stick out.
  private func look(_ width: Int, _ scheme: String) throws -> Look {
    let picture = directory.appending("\(width)-\(scheme).png").string
    let result = try run([
      "timeout", "120", BenchResults.directory.appending("look.py").string, page, "\(width)",
      scheme, picture,
    ])
    try #require(result.status == 0, "\(result.errors)")
    let look = try JSONDecoder().decode(Look.self, from: Data(result.output.utf8))
    #expect(look.window == width)
    #expect(look.content <= width, "the page can be scrolled sideways")
    #expect(look.complaints == [])
    let size = try FileManager.default.attributesOfItem(atPath: picture)[.size] as? Int ?? 0
    #expect(size > 100_000, "the screenshot shows little: \(size) bytes")
    return look
  }

  @Test func everyFigureIsOnThePage() throws {
    try report(BenchResults.all)
    let wide = try look(1200, "light")
    let shown = Set(wide.values.compactMap(Double.init).map(Self.rounded))
    for path in BenchResults.all {
      let result = try BenchResults.read(path)
      let missing = numbers(in: result).subtracting(shown)
      #expect(missing == [], "\(path)")
      for text in texts(in: result) { #expect(wide.text.contains(text), "\(text), \(path)") }
    }
    // Goals and values of each, commands and servers of fs, latencies, and the growth of two runs.
    #expect(wide.plots.count > 25)
    #expect(wide.plots.allSatisfy { $0[0] > 200 && $0[1] > 50 }, "\(wide.plots)")
    #expect(wide.text.contains("Noisy machine"))
    #expect(wide.text.contains("goals met. Missed:"))
    try checkNarrow(beside: wide)
  }

  /// At the width of a telephone, in the dark.
  private func checkNarrow(beside wide: Look) throws {
    let narrow = try look(360, "dark")
    #expect(narrow.plots.count == wide.plots.count)
    #expect(narrow.plots.allSatisfy { $0[0] > 200 && $0[0] <= 360 }, "\(narrow.plots)")
    #expect(narrow.values == wide.values)
    #expect(narrow.back != wide.back && narrow.axis != wide.axis)
  }

  /// All numbers of a result, without that of its form.
  private func numbers(in value: Any) -> Set<Double> {
    switch value {
    case let object as [String: Any]:
      object.filter { $0.key != "format" }.reduce(into: []) { $0.formUnion(numbers(in: $1.value)) }
    case let array as [Any]: array.reduce(into: []) { $0.formUnion(numbers(in: $1)) }
    case let number as NSNumber where !isFlag(number): [Self.rounded(number.doubleValue)]
    default: []
    }
  }

  /// `JSONSerialization` does not always read the last digit as `Double` does.
  private static func rounded(_ value: Double) -> Double {
    Double(String(format: "%.12g", value)) ?? value
  }

  /// `JSONSerialization` makes `true` and `false` numbers.
  private func isFlag(_ number: NSNumber) -> Bool { String(cString: number.objCType) == "c" }

  /// The names in a result that a reader must find.
  private func texts(in result: [String: Any]) -> [String] {
    let machine = result["machine"] as? [String: Any] ?? [:]
    let workloads = result["workloads"] as? [[String: Any]] ?? []
    let contenders = workloads.flatMap { $0["contenders"] as? [[String: Any]] ?? [] }
    let missing = result["missing"] as? [[String: Any]] ?? []
    return ["processor", "kernel", "filesystem"].compactMap { machine[$0] as? String }
      + (workloads + contenders + missing).compactMap { $0["name"] as? String }
  }

  /// Names come from whoever ran the benchmark. None becomes markup, or a command of gnuplot.
  @Test func namesAreOnlyText() throws {
    // Short enough to get into a plot as a whole.
    let file = "/tmp/report-\(UInt32.random(in: 0 ... .max))"
    defer { unlink(file) }
    let name = "<script>console.error(1)</script> & \"quoted\" 'x' \\ $1 @A"
    let result = try BenchResults.changed("run-10000", in: directory) { tree in
      var machine = tree["machine"] as? [String: Any] ?? [:]
      machine["processor"] = name
      tree["machine"] = machine
      BenchResults.changeFirstWorkload(&tree) { workload in
        workload["name"] = "`touch \(file)`"
        var contenders = workload["contenders"] as? [[String: Any]] ?? []
        contenders[0]["name"] = name
        workload["contenders"] = contenders
      }
    }
    try report([result])
    let look = try look(1200, "light")
    #expect(look.text.components(separatedBy: name).count > 3)
    #expect(look.text.components(separatedBy: "`touch \(file)`").count > 3)
    #expect(!FileManager.default.fileExists(atPath: file))
  }

  /// Not even a name that looks like one of gnuplot's colours is changed, and a long one does not make
  /// the page wider.
  @Test func namesStayWhatTheyAre() throws {
    let (colour, long) = ("rgb(0, 0, 1)", String(repeating: "long", count: 2500))
    let result = try BenchResults.changed("fs", in: directory) { tree in
      var workloads = tree["workloads"] as? [[String: Any]] ?? []
      for i in workloads.indices {
        var contenders = workloads[i]["contenders"] as? [[String: Any]] ?? []
        contenders[1]["name"] = long
        workloads[i]["contenders"] = contenders
      }
      workloads[0]["name"] = colour
      workloads[1]["name"] = long
      tree["workloads"] = workloads
    }
    try report([result])
    let text = try String(contentsOfFile: page, encoding: .utf8)
    #expect(text.contains("<text>\(colour), 1 thread</text>"))
    #expect(try look(360, "light").text.contains(long))
  }

  /// Nodes that are no number, no open descriptors, and no workloads.
  @Test func resultsOfNothing() throws {
    let nodes = try ["none", "nan", "-5", "1e999", "0"].map { nodes in
      try BenchResults.changed("run-10000", in: directory, as: "\(nodes).json") { tree in
        tree["options"] = [["name": "nodes", "value": nodes]]
      }
    }
    let idle = try BenchResults.changed("fs", in: directory, as: "idle.json") { tree in
      var servers = tree["servers"] as? [[String: Any]] ?? []
      for i in servers.indices { servers[i]["descriptors"] = 0 }
      tree["servers"] = servers
    }
    let empty = try BenchResults.changed("shared", in: directory, as: "empty.json") { tree in
      tree["workloads"] = [[String: Any]]()
    }
    try report(nodes + [idle, empty])
    let text = try look(1200, "light").text
    #expect(text.contains("A store of some nodes"))
    #expect(text.contains("No goal to compare with."))
  }

  // MARK: What goes wrong

  /// A gnuplot that ends at once, and one that prints nothing.
  @Test(arguments: ["exit 3", "cat >/dev/null"]) func gnuplotFails(_ script: String) throws {
    // So many rows that the script does not fit into a pipe.
    let long = try BenchResults.changed("run-10000", in: directory) { tree in
      let workloads = tree["workloads"] as? [[String: Any]] ?? []
      tree["workloads"] = (0..<3000).map { i in
        workloads[0].merging(["name": "row \(i)"]) { $1 }
      }
    }
    let programs = directory.appending("programs")
    try succeed("mkdir", programs.string)
    try write("#!/bin/sh\n\(script)\n", to: programs.appending("gnuplot"))
    try succeed("chmod", "+x", programs.appending("gnuplot").string)
    let result = try run(
      [
        "/usr/bin/env", "PATH=\(programs):/usr/bin:/bin", Commands.handlebench, "report",
        long, "--html", page,
      ])
    #expect(result.status == 1)
    #expect(result.errors.contains("gnuplot failed"), "\(result.errors)")
    #expect(!FileManager.default.fileExists(atPath: page))
  }

  @Test(.enabled(if: mayMount, "mounting needs root")) func aFullDisk() throws {
    let volume = try Volume(.ext4)
    let page = volume.path.appending("report.html").string
    _ = try run("dd", "if=/dev/zero", "of=\(volume.path.appending("ballast"))", "bs=1M")
    let result = try run(
      [Commands.handlebench, "report"] + BenchResults.all + ["--html", page])
    #expect(result.status == 1)
    #expect(
      result.errors.contains("\(page) cannot be written, or not as a whole: No space left"),
      "\(result.errors)")
  }

  @Test func aMissingGnuplotIsNamed() throws {
    let result = try run(
      ["/usr/bin/env", "PATH=/nonexistent", Commands.handlebench, "report"] + BenchResults.all
        + ["--html", page])
    #expect(result.status == 1)
    #expect(result.errors.contains("install Debian's package gnuplot-nox"), "\(result.errors)")
    #expect(!FileManager.default.fileExists(atPath: page))
  }
}
