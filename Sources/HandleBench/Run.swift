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
      With --tree the files of a real tree are registered and opened by their nodes as well, and \
      tokens made for them and decoded by each containment that can be had; this needs root.

        handlebench run --nodes 1000000
        handlebench run --tree /usr --json result.json

      Columns: nanoseconds an operation (the median round), then p50, p99 and p99.9 of single \
      operations, for the library and for the yardstick; their ratio (the median of the rounds' \
      ratios) and the ratio to reach. The row of the signature has what its check adds, in \
      nanoseconds: on the left tokens that are refused for it, on the right those that are refused \
      one check before.
      """)

  @Option(help: "How many nodes to register.")
  var nodes: Int = 1_000_000

  @Option(help: "How many threads register at the same time.")
  var threads: Int = 4

  @Option(help: "What a commit survives: process or power.")
  var durability: Durability = .process

  @Option(help: "How many times to run each workload.")
  var rounds: Int = 5

  @Option(help: "A directory whose files are registered and opened too.")
  var tree: String?

  @Option(help: "Where to put the stores.")
  var directory: String?

  @Option(help: "A file to write the results to as JSON.")
  var json: String?

  func validate() throws {
    guard nodes >= 1000 else { throw ValidationError("--nodes is 1000 at the least") }
    guard (1...64).contains(threads) else { throw ValidationError("--threads is 1 to 64") }
    guard rounds >= 1 else { throw ValidationError("--rounds is 1 at the least") }
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
    if let tree { try bench.tree(FilePath(tree), show) }
    if let json { try report.write(rows, to: FilePath(json)) }
  }
}
