import ArgumentParser
import CHandleStore

/// The benchmark tool.
@main
struct HandleBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "handlebench",
    abstract: "Measures a handle store beside others, shows the results, and attacks its exports.",
    discussion: """
      Each workload is run several times, in turn by the library and by a loop in C that does the \
      same with LMDB or the kernel directly (the yardstick). The ratio is what counts: the \
      machine's speed may change from one minute to the next, but it is the same for both. `fs` \
      compares HandleFS with other passthrough servers in the same way, and `shared` a store that \
      several processes share with libpq. With --json each of them writes its result, which `report` \
      shows as a page with plots, and `compare` compares with another one. `all` runs them all. \
      `forge` measures nothing: it sends forged tokens to an export.
      """,
    version: "handlebench \(HS_VERSION)",
    subcommands: [
      Run.self, FileSystems.self, SharedStores.self, AllCommand.self, ReportCommand.self,
      CompareCommand.self, Forge.self,
    ])
}
