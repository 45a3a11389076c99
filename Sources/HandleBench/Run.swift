public import ArgumentParser
import Formatting
import Foundation
public import HandleStore
import SystemPackage

extension Durability: ExpressibleByArgument {}

/// `handlebench run`.
struct Run: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Compares a store with other maps, and the opening of files with the kernel's calls.",
    discussion: """
      Without --tree the handles are invented and nothing is opened, so no privilege is needed. \
      With --tree, the files of a real tree are also registered and opened by their nodes, and \
      their tokens are made, and decoded with each containment that is available; this needs root.

        handlebench run --nodes 1000000
        handlebench run --tree /usr --json result.json

      The store takes turns with LMDB as a plain C program uses it, with the rows of a batch in the \
      order of the files or of their keys, and with what is installed of SQLite, RocksDB and \
      libmdbx, all with the same two rows for each file. A table in memory, as servers keep it that \
      have no store, is lost with the process: it shows the least that the work takes.

      The files are numbered in two ways: scattered, with each inode number far from its \
      neighbours', and clustered, as filesystems number them, with those of a directory \
      consecutively. Scattered numbers make the caches miss, which hides what a store adds; \
      clustered ones show it.

      The first table has the time of an operation (the median round), the second one the ratio of \
      the library's time to plain C's (the median of the rounds' ratios), the goal, and whether it \
      is met, and the third one percentiles of single operations, or of whole batches. The \
      signature's row shows what its check adds: the library's time is that for tokens that this \
      check refuses, the yardstick's that for tokens that the check before it refuses. In the rows \
      "C on Swift" the library is called through its C interface, and the yardstick is the Swift \
      call.
      """)

  @Option(help: "How many nodes to register: 1000 to 100000000.")
  var nodes: Int = 1_000_000

  @Option(
    help: """
      How the inode numbers of the files lie: scattered or clustered. Without this option, both in \
      turn.
      """)
  var inodes: Numbering?

  @Option(
    help: "Up to how many threads register at the same time; 1, 2, 4, 8 … are measured.")
  var threads: Int = 16

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
    guard (1000...100_000_000).contains(nodes) else {
      throw ValidationError("--nodes must be 1000 to 100000000")
    }
    guard (1...64).contains(threads) else { throw ValidationError("--threads must be 1 to 64") }
    guard (1...1000).contains(rounds) else {
      throw ValidationError("--rounds must be 1 to 1000")
    }
  }

  func run() throws {
    if let json { try Text.requireWritable(json) }
    let interruption = Interruption()
    let bench = try Bench(
      nodes: UInt64(nodes), threads: threads, durability: durability, rounds: rounds,
      parent: directory)
    defer { bench.cleanUp() }
    bench.requireGoing = interruption.check
    try requireAll(of: bench)
    var result = BenchmarkResult(of: "run", options: options, directory: bench.root.path)
    try measure(bench) { result.workloads.append($0) }
    result.missing = bench.missing
    bench.cleanUp()
    try result.finish(json: json)
  }

  /// What the result says about the run.
  private var options: KeyValuePairs<String, String> {
    [
      "nodes": "\(nodes)", "inodes": inodes?.rawValue ?? "both", "threads": "\(threads)",
      "durability": durability.rawValue, "rounds": "\(rounds)", "tree": tree ?? "none",
    ]
  }

  /// Checks all that the run needs, before any work begins.
  private func requireAll(of bench: Bench) throws {
    try Room(for: bench.nodes).require(in: bench.root)
    try bench.withFreshStore { _, _ in }
    if let tree { try bench.requireTree(FilePath(tree)) }
  }

  private func measure(_ bench: Bench, _ show: (Comparison) -> Void) throws {
    let contests = (inodes.map { [$0] } ?? Numbering.allCases).map {
      MapContest(bench: bench, numbering: $0)
    }
    for engine in Engine.allCases where !engine.isInstalled {
      bench.missing.append(Missing(name: engine.name, reason: engine.advice))
    }
    bench.progress = Progress(steps: contests.map(\.turns).reduce(0, +) + otherSteps(bench))
    for contest in contests { try contest.run().forEach(show) }
    if threads > 1 { try bench.registerInThreads().forEach(show) }
    try bench.throughC(show)
    if let tree { try bench.tree(FilePath(tree), show) }
  }

  /// How many steps follow the maps.
  private func otherSteps(_ bench: Bench) -> Int {
    let ofThreads = threads > 1 ? bench.threadCounts.count * rounds : 0
    let ofTree = tree == nil ? 0 : 5 + Containment.allCases.count
    return 2 + ofThreads + ofTree
  }
}
