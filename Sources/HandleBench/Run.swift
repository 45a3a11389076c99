public import ArgumentParser
public import HandleStore
import SystemPackage

extension Durability: ExpressibleByArgument {}

/// `handlebench run`.
struct Run: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Runs every workload and prints times and ratios.",
    discussion: """
      Without --tree the handles are invented and nothing is opened, so no privilege is needed. \
      With --tree, the files of a real tree are also registered and opened by their nodes, and \
      their tokens are made, and decoded with each containment that is available; this needs root.

        handlebench run --nodes 1000000
        handlebench run --tree /usr --json result.json

      Columns: nanoseconds per operation (the median round), then p50, p99 and p99.9 of single \
      operations, for the library and for the yardstick; their ratio (the median of the rounds' \
      ratios), and the goal for the ratio. The signature's row shows what its check adds, in \
      nanoseconds: on the left the time for tokens that this check refuses, on the right for \
      tokens that the check before it refuses. The rows "C on Swift" show what a call through the \
      C library takes, on the left, beside the Swift call.
      """)

  @Option(help: "How many nodes to register.")
  var nodes: Int = 1_000_000

  @Option(help: "How many threads register at the same time.")
  var threads: Int = 4

  @Option(help: "What a commit survives: process or power.")
  var durability: Durability = .process

  @Option(help: "How many times to run each workload.")
  var rounds: Int = 5

  @Option(help: "A directory whose files to register and open too.")
  var tree: String?

  @Option(help: "Where to put the stores.")
  var directory: String?

  @Option(help: "A file to write the results to as JSON.")
  var json: String?

  func validate() throws {
    guard nodes >= 1000 else { throw ValidationError("--nodes must be 1000 or more") }
    guard (1...64).contains(threads) else { throw ValidationError("--threads must be 1 to 64") }
    guard rounds >= 1 else { throw ValidationError("--rounds must be 1 or more") }
  }

  func run() throws {
    let bench = try Bench(
      nodes: UInt64(nodes), threads: threads, durability: durability, rounds: rounds,
      parent: directory)
    defer { bench.cleanUp() }
    let report = Report(title: "\(nodes) nodes, durability \(durability.rawValue)")
    report.printHead()
    var rows: [Comparison] = []
    func show(_ row: Comparison) {
      report.print(row)
      rows.append(row)
    }
    try bench.synthetic(show)
    try bench.throughC(show)
    if let tree { try bench.tree(FilePath(tree), show) }
    if let json { try report.write(rows, to: FilePath(json)) }
  }
}
