import ArgumentParser
import HandleStore
import PostgresNodeIndex

struct SharedInit: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "init",
    abstract: "Make the tables of a shared store.",
    discussion: """
      Makes an empty store in the first schema of the connection's search_path. If there is one \
      already, it stays as it is. The role must be able to create tables; gateways need not be able to \
      (Docs/Gateways.md has the rights that they need).

        handlestore shared init service=nodes-admin

      Exit codes: 0 the store is there; 3 it has another version; 4 the database cannot be reached, or \
      it refused.
      """)

  @OptionGroup var argument: ConnectionArgument
  @OptionGroup var output: JSONOption

  func run() throws {
    let isNew = try SharedStore(argument.connection.text).make()
    var report = Report()
    report.add("created", .flag(isNew))
    try report.print(asJSON: output.json)
  }
}
