import ArgumentParser
import HandleStore

struct SharedCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "shared",
    abstract: "Manage a store in a database, which several hosts use.",
    discussion: """
      A shared store is in a PostgreSQL database. The servers that use it at the same time are its \
      gateways. The other commands take it as shared:CONNECTION in place of a directory.

        handlestore shared init service=nodes
        handlestore shared status service=nodes
        handlestore dump shared:service=nodes

      CONNECTION is a connection string or URI of libpq. What it leaves out comes from the \
      environment and from service files; it may be empty (''). Other users can see it in the list of \
      processes: leave passwords to PGPASSFILE or a service file.

      Exit codes: 0 success; 2 wrong usage, or a store that cannot be imported there; 3 there is no \
      store in the database, or the store cannot be used; 4 the database cannot be reached, or it \
      refused.
      """,
    subcommands: [
      SharedInit.self, SharedStatusCommand.self, SharedName.self, SharedRemove.self,
      SharedImport.self, SharedExport.self,
    ])
}

/// The argument `CONNECTION` of the commands that work on a shared store.
struct ConnectionArgument: ParsableArguments {
  @Argument(help: "How to reach the database: a connection string or URI of libpq.")
  var connection: DatabaseConnection

  /// Joins the store, which must exist, runs `body`, and leaves.
  func writing<R>(_ body: (Store) throws -> R) throws -> R {
    try StoreArgument.writing(connection, body)
  }
}
