import ArgumentParser
import Formatting
import HandleStore

struct ExportRemove: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "remove",
    abstract: "Remove an export from a store.",
    discussion: """
      The files and their nodes stay. The export's tokens are refused from now on. If you add an \
      export of the same name later, it refuses them too, because it has another number, unless \
      --id gives it the old one.

        handlestore export remove /var/lib/nodes home

      Exit codes: 0 removed; 3 there is no such export, or the store cannot be used, for example \
      because a server has it open; 4 the disk is full.
      """)

  @OptionGroup var argument: StoreArgument
  @Argument(help: "The export's name, as 'export list' prints it.")
  var name: String
  @OptionGroup var output: JSONOption

  func run() throws {
    try argument.writing { try $0.removeExport(name) }
    var report = Report()
    report.add("removed", output.json ? name : Text.plain(name))
    try report.print(asJSON: output.json)
  }
}
