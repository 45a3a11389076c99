import ArgumentParser
import HandleStore
import PostgresNodeIndex
import SystemPackage

struct SharedExport: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract: "Copy a shared store into a directory.",
    discussion: """
      Writes the shared store, as it is at one moment, to a new store in a directory: the same nodes, \
      under the same ids and with the same generation, and the same exports, keys and watches. \
      Gateways may go on meanwhile. The new store hands out ids far above those of the shared one, so \
      no id is ever given to two files.

        handlestore shared export service=nodes /var/lib/nodes

      Exit codes: 0 success; 3 there is no store in the database, or it has another version; 4 STORE \
      exists and is not empty, the disk is full, or the database cannot be reached. If the command \
      fails, there is no copy.
      """)

  @OptionGroup var argument: ConnectionArgument
  @Argument(
    help: "The directory for the new store. It must not exist or must be empty.",
    completion: .directory)
  var store: FilePath
  @OptionGroup var output: JSONOption

  func run() throws {
    let count = try SharedStore(argument.connection.text).copy(to: store)
    var report = Report()
    report.add("nodes", count)
    try report.print(asJSON: output.json)
  }
}
