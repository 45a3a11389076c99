import ArgumentParser
import HandleStore

struct KeySign: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sign",
    abstract: "Let another one of a store's keys sign.",
    discussion: """
      Tokens are signed under KEY from now on; all keys stay good for checking.

        handlestore key sign /var/lib/nodes 2

      Exit codes: 0 it signs; 3 there is no store or no such key, or others than its owner can read \
      its keys; 4 not permitted, or the disk is full.
      """)

  @OptionGroup var argument: StoreArgument
  @Argument(help: ArgumentHelp("The key's number, as `key list` has it.", valueName: "key"))
  var key: UInt8
  @OptionGroup var json: JSONOption

  func run() throws {
    try KeyFigures(Keyring.sign(under: key, ofStoreAt: argument.store)).print(asJSON: json.json)
  }
}
