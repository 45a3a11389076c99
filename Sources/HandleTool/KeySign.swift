import ArgumentParser
import HandleStore

struct KeySign: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sign",
    abstract: "Make another of a store's keys the signing key.",
    discussion: """
      KEY signs tokens from now on. All keys stay valid for checking.

        handlestore key sign /var/lib/nodes 2

      Exit codes: 0 KEY is the signing key; 3 there is no store or no such key, or users other \
      than its owner can read the keys; 4 not permitted, or the disk is full.
      """)

  @OptionGroup var argument: StoreArgument
  @Argument(help: ArgumentHelp("The key's id, as 'key list' prints it.", valueName: "key"))
  var key: UInt8
  @OptionGroup var json: JSONOption

  func run() throws {
    let ring = try argument.withKeys { try Keyring.sign(under: key, in: $0) }
    try KeyFigures(ring).print(asJSON: json.json)
  }
}
