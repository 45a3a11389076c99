import ArgumentParser
import Formatting
import SystemPackage

/// `handlebench report`.
struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Shows results as a page with plots.",
    discussion: """
      The results are files that --json of run, fs or shared wrote. The page is one file, which needs \
      no network: open it in a browser, or print it. Its top names the machines and says how noisy \
      they were, and which goals are missed. Results of run with several --nodes also show how the \
      times grow. The plots are drawn by gnuplot (Debian's gnuplot-nox).

        handlebench run --nodes 10000 --json small.json
        handlebench run --nodes 1000000 --json big.json
        handlebench report small.json big.json --html report.html
      """)

  @Argument(help: "Files with results, as --json wrote them.")
  var results: [String]

  @Option(help: "The file to write the page to.")
  var html: String

  func run() throws {
    var page = Page(try results.map { try BenchmarkResult(from: $0) })
    try Text.write(try page.text(), to: FilePath(html))
  }
}
