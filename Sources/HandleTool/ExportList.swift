import ArgumentParser
import HandleStore

struct ExportList: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "List the exports of a store and their current paths.",
    discussion: """
      Prints each export's name, number, access and containment (automatic if none was requested). \
      Then it prints the filesystem and the current path of each root, the upper layer first. The \
      path is right even if the directory was renamed after it was added. A server may write \
      meanwhile. With --json, prints one object per line.

        handlestore export list /var/lib/nodes

      Exit codes: 0 success, also if there is no export; 3 the store cannot be used.
      """)

  @OptionGroup var argument: StoreArgument
  @OptionGroup var json: JSONOption

  func run() throws {
    try argument.reading { store in
      _ = try? store.attachMounted()
      var output = Output()
      for (i, export) in try store.exports().enumerated() {
        if i > 0 && !json.json { try output.line("") }
        try ExportFigures(export, in: store).print(asJSON: json.json, to: &output)
      }
      try output.flush()
    }
  }
}
