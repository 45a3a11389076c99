import ArgumentParser
import HandleStore
import PostgresNodeIndex

struct SharedRemove: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "remove",
    abstract: "Remove a gateway that does not come back.",
    discussion: """
      The clients of a gateway may hold nodes for as long as it is known, even if its process was \
      killed or its host is gone; other gateways do not drop these nodes meanwhile. Use this if the \
      gateway does not come back under its name. If it does all the same, it joins anew, and its \
      clients may find that some of their files have other ids.

        handlestore shared status service=nodes
        handlestore shared remove service=nodes nfs-2

      Exit codes: 0 the gateway is removed; 2 there is no such gateway, or its lease is not over for \
      long enough; 3 there is no store in the database; 4 the database cannot be reached, or it \
      refused.
      """)

  @OptionGroup var argument: ConnectionArgument
  @Argument(help: "The gateway's name, as 'shared status' prints it.")
  var gateway: String

  func run() throws { try SharedStore(argument.connection.text).remove(gateway: gateway) }
}
