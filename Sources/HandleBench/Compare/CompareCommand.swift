import ArgumentParser
import Formatting

/// `handlebench compare`.
struct CompareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare",
    abstract: "Says what became slower or faster from one result to another.",
    discussion: """
      OLD and NEW are files that --json of the same benchmark wrote. Compared is the cost of an \
      operation, round by round, divided by that of the first other contender that both results have \
      (plain C, the bare filesystem, libpq), because that changes with the machine's speed. A change \
      counts if redrawing the rounds at random, always in the same way, gives a change of the same \
      sign in 97.5 % of the draws; the interval that is printed has 95 % of the draws. Workloads with \
      fewer than 3 rounds are not compared, and 5 or more tell more.

        handlebench compare before.json after.json --threshold 10

      The exit status is 1 if a workload became slower by more than the threshold.
      """)

  @Argument(help: "The earlier result.")
  var old: String

  @Argument(help: "The later result.")
  var new: String

  @Option(help: "By how many percent a workload may become slower.")
  var threshold = 5.0

  func validate() throws {
    guard threshold >= 0, threshold.isFinite else {
      throw ValidationError("--threshold must be 0 or more")
    }
  }

  func run() throws {
    let changes = try Changes(
      old: BenchmarkResult(from: old), new: BenchmarkResult(from: new))
    changes.print(threshold: threshold)
    guard changes.regressions(threshold).isEmpty else { throw ExitCode(1) }
  }
}
