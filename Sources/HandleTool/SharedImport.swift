import ArgumentParser
import HandleStore
import PostgresNodeIndex

struct SharedImport: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import",
    abstract: "Make a store in a directory a shared one.",
    discussion: """
      Copies all of STORE into the database, in one transaction: all of it or nothing. The shared \
      store has the same nodes, under the same ids and with the same generation, and the same exports, \
      keys and watches, so clients notice nothing. It hands out ids far above those of STORE. STORE \
      stays as it is; do not go on using it. No server may have STORE open, and the shared store must \
      be empty and without gateways. It is made if there is none.

        handlestore shared import /var/lib/nodes service=nodes

      Exit codes: 0 imported; 2 the shared store is in use; 3 STORE cannot be used; 4 the database \
      cannot be reached, or it refused.
      """)

  @OptionGroup var argument: StoreArgument
  @OptionGroup var target: ConnectionArgument
  @OptionGroup var output: JSONOption

  func run() throws {
    _ = try argument.requireDirectory(instead: "name the directory of another one to import")
    let count = try argument.writing { try SharedStore(target.connection.text).take($0) }
    var report = Report()
    report.add("nodes", count)
    try report.print(asJSON: output.json)
  }
}
