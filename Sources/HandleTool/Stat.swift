import ArgumentParser
import HandleStore

struct Stat: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Count what a store holds and what that takes.",
    discussion: """
      Prints the number of nodes, live and stale, the store's size on the disk, its filesystems, and \
      the nodes by filesystem, handle type and state. A server may write meanwhile.

        handlestore stat /var/lib/nodes

      A filesystem is said to be mounted where its files could be opened from here now.

      Exit codes: 0 fine; 3 the store cannot be used, or is damaged: then nothing is printed.
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
