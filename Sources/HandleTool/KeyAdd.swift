import ArgumentParser
import HandleStore

struct KeyAdd: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "add",
    abstract: "Give a store a new key that does not sign yet.",
    discussion: """
      Use this to rotate keys that several stores share. Add a key to one store and share its keys \
      with the others. When all stores have the new key, make it the signing key ('key sign') and \
      share again. This way no token is refused meanwhile.

        handlestore key add /var/lib/nodes
        handlestore key share /var/lib/nodes /var/lib/other-nodes
        handlestore key sign /var/lib/nodes 2
        handlestore key share /var/lib/nodes /var/lib/other-nodes

      Exit codes: 0 added; 3 there is no store, or users other than its owner can read the keys; 4 \
      not permitted, or the disk is full.
      """)

  @OptionGroup var argument: StoreArgument
  @OptionGroup var json: JSONOption

  func run() throws {
    try KeyFigures(argument.withKeys { try Keyring.add(in: $0) }).print(asJSON: json.json)
  }
}
