import ArgumentParser

/// The benchmark tool.
@main
struct HandleBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "handlebench",
    abstract: "Measures a handle store side by side with plain C, and attacks it.",
    discussion: """
      Each workload is run in turn by the library and by a C program's loop that does the same \
      with LMDB or the kernel directly (the yardstick), several times. What counts is the ratio: \
      the machine's speed may change from one minute to the next, but it is the same for both. \
      `forge` measures nothing: it sends forged tokens to an export.
      """,
    subcommands: [Run.self, FileSystems.self, Forge.self])
}
