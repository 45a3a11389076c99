import ArgumentParser
import HandleStore

struct ExportList: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "Name the exports of a store and say where they are.",
    discussion: """
      Prints each export's name, number, access, containment (automatic where none was asked for), \
      and for each of its roots, the upper one first, its filesystem and where it is now, whatever it \
      was called when it was added. A server may write meanwhile. With --json it is an object a line.

        handlestore export list /var/lib/nodes

      Exit codes: 0 fine, also where there is no export; 3 the store cannot be used.
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
