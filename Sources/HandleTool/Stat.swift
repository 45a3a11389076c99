import ArgumentParser
import Formatting
import HandleStore

struct Stat: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show the counts and sizes of a store.",
    discussion: """
      Prints the number of live and stale nodes, the store's size on disk, its filesystems, and \
      the number of nodes by filesystem, handle type and state. A server may write meanwhile.

        handlestore stat /var/lib/nodes

      A filesystem counts as mounted if its files can be opened from here now.

      Exit codes: 0 success; 3 the store cannot be used, or is damaged: then nothing is printed.
      """)

  @OptionGroup var argument: StoreArgument
  @OptionGroup var output: JSONOption

  func run() throws {
    try argument.readingAll { store in
      _ = try? store.attachMounted()
      let summary = try store.summary()
      var output = Output()
      if self.output.json {
        let object = JSON.object(
          summary.report(store).jsonMembers + [
            ("filesystems", .array(store.knownFilesystems().map(\.json))),
            ("groups", .array(summary.groups.map(\.json))),
          ])
        try output.line { object.append(to: &$0) }
      } else {
        try summary.report(store).print(asJSON: false, to: &output)
        for filesystem in store.knownFilesystems() {
          try output.line("")
          try filesystem.report.print(asJSON: false, to: &output)
        }
        for line in summary.table { try output.line(line) }
      }
      try output.flush()
    }
  }
}
