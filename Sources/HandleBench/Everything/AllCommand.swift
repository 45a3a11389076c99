import ArgumentParser
import Formatting
import Foundation
import SystemPackage

/// `handlebench all`.
struct AllCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "all",
    abstract: "Runs all benchmarks that this machine allows, and shows them as one page.",
    discussion: """
      These are run with 100,000 and with 1,000,000 nodes; fs, for root and if HandleFS is installed; \
      and shared, if PostgreSQL's programs are in PATH or where Debian puts them: a server is started \
      below DIR for that time (for root, as the user postgres). A benchmark that is left out, or \
      fails, is on the page with the reason. It takes about an hour, and needs some GB below DIR and \
      gnuplot.

        handlebench all --directory /srv --html report.html
      """)

  @Option(help: "A directory to work in, on the filesystem to measure.")
  var directory: String

  @Option(help: "The file to write the page to.")
  var html: String

  @Option(help: "The HandleFS binary.")
  var handlefs = "handlefs"

  func run() throws {
    try Gnuplot.require()
    let interruption = Interruption()
    let place = "\(directory)/handlebench-all-\(ProcessInfo.processInfo.processIdentifier)"
    do {
      try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: false)
    } catch {
      throw BenchError(
        description: """
          \(directory) is not a directory that can be written to; give another one with --directory
          """)
    }
    defer { try? FileManager.default.removeItem(atPath: place) }
    var (results, leftOut): ([BenchmarkResult], [Missing]) = ([], [])
    for benchmark in benchmarks(place) {
      do {
        results.append(try benchmark.result(in: place))
      } catch {
        leftOut.append(Missing(name: benchmark.name, reason: "\(error)"))
        print("\(benchmark.name) is left out: \(error)\n")
      }
      try interruption.check()
    }
    var page = Page(results, leftOut: leftOut)
    try Text.write(try page.text(), to: FilePath(html))
  }

  private func benchmarks(_ place: String) -> [Benchmark] {
    let sizes = [100_000, 1_000_000].map { nodes in
      Benchmark(name: "run with \(Text.grouped(nodes)) nodes") { json in
        try Self.handlebench(
          ["run", "--nodes", "\(nodes)", "--directory", place, "--json", json])
      }
    }
    return sizes + [
      Benchmark(name: "fs", run: { try fileSystems(place, $0) }),
      Benchmark(name: "shared", run: { try shared(place, $0) }),
    ]
  }

  private func fileSystems(_ place: String, _ json: String) throws {
    guard geteuid() == 0 else { throw BenchError(description: "mounting needs root") }
    guard Contender.find(handlefs) != nil else {
      throw BenchError(description: "there is no \(handlefs) in PATH; give it with --handlefs")
    }
    try Self.handlebench(["fs", place, "--handlefs", handlefs, "--json", json])
  }

  private func shared(_ place: String, _ json: String) throws {
    let database = try TemporaryDatabase(in: place)
    defer { database.stop() }
    try Self.handlebench(["shared", database.connection, "--directory", place, "--json", json])
  }

  /// Runs this program. What it prints is shown.
  private static func handlebench(_ arguments: [String]) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments = arguments
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw BenchError(description: "handlebench \(arguments[0]) failed; it printed the reason")
    }
  }
}

/// One of the benchmarks.
private struct Benchmark {
  let name: String
  /// Runs it. It writes its result to the file that is given.
  let run: (String) throws -> Void

  func result(in place: String) throws -> BenchmarkResult {
    let json = "\(place)/result.json"
    defer { try? FileManager.default.removeItem(atPath: json) }
    try run(json)
    return try BenchmarkResult(from: json)
  }
}
