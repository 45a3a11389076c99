import ArgumentParser
import Formatting
import HandleStore

struct Stat: ParsableCommand {
  enum Format: String, ExpressibleByArgument, CaseIterable {
    case text, json, openmetrics, prometheus
  }

  static let configuration = CommandConfiguration(
    abstract: "Show the counts and sizes of a store.",
    discussion: """
      Prints the number of live and stale nodes, the store's size on disk, its filesystems, and \
      the number of nodes by filesystem, handle type and state. A server may write meanwhile.

        handlestore stat /var/lib/nodes
        handlestore stat /var/lib/nodes --format prometheus > nodes.prom

      A filesystem counts as mounted if its files can be opened from here now.

      Exit codes: 0 success; 3 the store cannot be used, or is damaged: then nothing is printed.
      """)

  @OptionGroup var argument: StoreArgument
  @Option(
    help: "Print text, JSON, or figures for a monitoring system in either of two formats.")
  var format = Format.text

  func run() throws {
    let path = try argument.requireDirectory(instead: "use handlestore shared status")
    try argument.readingAll { store in
      _ = try? store.attachMounted()
      let summary = try store.summary()
      var output = Output()
      switch format {
      case .text: try print(summary, of: store, to: &output)
      case .json: try output.line { summary.json(store).append(to: &$0) }
      case .openmetrics:
        output.append(try summary.metrics(.openMetrics, of: store, at: path))
      case .prometheus:
        output.append(try summary.metrics(.prometheus, of: store, at: path))
      }
      try output.flush()
    }
  }

  private func print(
    _ summary: StoreSummary, of store: Store, to output: inout Output
  ) throws {
    try summary.report(store).print(asJSON: false, to: &output)
    for filesystem in store.knownFilesystems() {
      try output.line("")
      try filesystem.report.print(asJSON: false, to: &output)
    }
    for line in summary.table { try output.line(line) }
  }
}
