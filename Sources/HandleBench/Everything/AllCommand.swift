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
      fails, is on the page with the reason. It takes 15 minutes to an hour, and needs some GB \
      below DIR and gnuplot.

        handlebench all --directory /srv --html report.html

      The exit status is 1 if a benchmark failed.
      """)

  @Option(help: "A directory to work in, on the filesystem to measure.")
  var directory: String

  @Option(help: "The file to write the page to.")
  var html: String

  @Option(help: "The HandleFS binary.")
  var handlefs = "handlefs"

  @Flag(help: "Do as little as possible, to see that everything works: the figures say nothing.")
  var quick = false

  func run() throws {
    try Gnuplot.require()
    try Text.requireWritable(html)
    let interruption = Interruption()
    let place = try newPlace()
    // Results are kept if the page cannot be written.
    var isDone = false
    defer { if isDone || interruption.came { try? FileManager.default.removeItem(atPath: place) } }
    let runner = Runner(place: place, interruption: interruption)
    try runner.run(benchmarks(place, runner))
    do { try writePage(runner) } catch {
      throw BenchError(description: "\(error); the results are in \(place), for handlebench report")
    }
    isDone = true
    if runner.hasFailed { throw ExitCode(1) }
  }

  private func newPlace() throws -> String {
    let place = "\(directory)/handlebench-all-\(ProcessInfo.processInfo.processIdentifier)"
    do {
      try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: false)
    } catch {
      throw BenchError(
        description: """
          \(directory) is not a directory that can be written to; give another one with --directory
          """)
    }
    return place
  }

  private func writePage(_ runner: Runner) throws {
    var page = Page(runner.results, leftOut: runner.leftOut)
    try Text.write(try page.text(), to: FilePath(html))
  }

  private func benchmarks(_ place: String, _ runner: Runner) -> [Benchmark] {
    let rounds = quick ? ["--rounds", "1"] : []
    let sizes = (quick ? [1000, 2000] : [100_000, 1_000_000]).map { nodes in
      Benchmark(name: "run with \(Text.grouped(nodes)) nodes", file: "run-\(nodes).json") {
        ["run", "--nodes", "\(nodes)", "--directory", place] + rounds
      }
    }
    let few = quick ? ["--files", "100", "--kills", "10"] : []
    return sizes + [
      Benchmark(name: "fs", file: "fs.json", obstacle: obstacleToFileSystems) {
        ["fs", place, "--handlefs", handlefs] + few + rounds
      },
      Benchmark(name: "shared", file: "shared.json", obstacle: TemporaryDatabase.obstacle) {
        ["shared", try runner.startDatabase(), "--directory", place] + rounds
      },
    ]
  }

  private var obstacleToFileSystems: String? {
    if geteuid() != 0 { return "mounting needs root" }
    let isThere = Contender.find(handlefs).map(FileManager.default.isExecutableFile) ?? false
    return isThere ? nil : "there is no program \(handlefs); give HandleFS's with --handlefs"
  }
}
