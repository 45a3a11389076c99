import ArgumentParser
import HandleStore

struct KeyAdd: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "add",
    abstract: "Give a store a new key that does not sign yet.",
    discussion: """
      For stores that share their keys: add a key to one of them, share its keys with the others, and \
      when all have it let it sign (key sign) and share again. So no token is refused meanwhile.

        handlestore key add /var/lib/nodes
        handlestore key share /var/lib/nodes /var/lib/other-nodes
        handlestore key sign /var/lib/nodes 2
        handlestore key share /var/lib/nodes /var/lib/other-nodes

      Exit codes: 0 added; 3 there is no store, or others than its owner can read its keys; 4 not \
      permitted, or the disk is full.
      """)

  @OptionGroup var argument: StoreArgument
  @OptionGroup var json: JSONOption

  func run() throws {
    try KeyFigures(Keyring.add(ofStoreAt: argument.store)).print(asJSON: json.json)
  }
}
