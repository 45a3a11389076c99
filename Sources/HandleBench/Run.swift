public import ArgumentParser
public import HandleStore
import Foundation
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

      The first table has the time of an operation (the median round), the second one the ratio of \
      the library's time to the yardstick's (the median of the rounds' ratios), the goal, and whether \
      it is met, and the third one percentiles of single operations, or of whole batches. The \
      signature's row shows what its check adds: the library's time is that for tokens that this \
      check refuses, the yardstick's that for tokens that the check before it refuses. In the rows \
      "C on Swift" the library is called through its C interface, and the yardstick is the Swift call.
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
    var result = BenchmarkResult(
      of: "run",
      options: [
        "nodes": "\(nodes)", "threads": "\(threads)", "durability": durability.rawValue,
        "rounds": "\(rounds)",
      ], directory: bench.root.path)
    func show(_ row: Comparison) { result.workloads.append(row) }
    try bench.synthetic(show)
    try bench.throughC(show)
    if let tree { try bench.tree(FilePath(tree), show) }
    try result.finish(json: json)
  }
}
