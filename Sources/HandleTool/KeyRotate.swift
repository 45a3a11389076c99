import ArgumentParser
import HandleStore

struct KeyRotate: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rotate",
    abstract: "Give a store a new key that signs.",
    discussion: """
      Makes a new key, under which tokens are signed from now on, and prints the keys that there are \
      then. The newest of the older ones stay good for checking, as many as --keep says; tokens that \
      were signed under the others are refused. Without --keep, clients have until the next rotation \
      to get new tokens. After a key has leaked, say --keep 0: no token that was given out is good any \
      more.

        handlestore key rotate /var/lib/nodes
        handlestore key rotate /var/lib/nodes --keep 0

      A server may have the store open. It takes the new keys up within a second. Other stores that \
      share the keys refuse what is signed under the new one until they have it: see key add.

      Exit codes: 0 rotated; 3 there is no store, or others than its owner can read its keys; 4 not \
      permitted, or the disk is full.
      """)

  @OptionGroup var argument: StoreArgument
  @Option(help: ArgumentHelp("How many older keys stay good.", valueName: "number"))
  var keep = 1
  @OptionGroup var json: JSONOption

  func validate() throws {
    guard (0..<Keyring.maximumCount).contains(keep) else {
      throw ValidationError("--keep takes 0 to \(Keyring.maximumCount - 1).")
    }
  }

  func run() throws {
    let ring = try Keyring.rotate(ofStoreAt: argument.store, keeping: keep)
    try KeyFigures(ring).print(asJSON: json.json)
  }
}
