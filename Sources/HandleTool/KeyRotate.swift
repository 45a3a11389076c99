import ArgumentParser
import HandleStore

struct KeyRotate: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rotate",
    abstract: "Make a new signing key.",
    discussion: """
      Makes a new key, which signs tokens from now on, and prints the keys that the store has \
      then. The newest of the older keys stay valid for checking; --keep says how many. Tokens \
      signed by the others are refused. Without --keep, clients have until the next rotation to \
      get new tokens. After a key has leaked, use --keep 0: then no token that was given out is \
      valid any more.

        handlestore key rotate /var/lib/nodes
        handlestore key rotate /var/lib/nodes --keep 0

      A server may have the store open. It takes up the new keys within a second. Other stores \
      that share the keys refuse tokens signed by the new key until they have it: see 'key add'.

      Exit codes: 0 rotated; 3 there is no store, or users other than its owner can read the keys; \
      4 not permitted, or the disk is full.
      """)

  @OptionGroup var argument: StoreArgument
  @Option(help: ArgumentHelp("How many older keys stay valid.", valueName: "number"))
  var keep = 1
  @OptionGroup var json: JSONOption

  func validate() throws {
    guard (0..<Keyring.maximumCount).contains(keep) else {
      throw ValidationError("--keep takes 0 to \(Keyring.maximumCount - 1).")
    }
  }

  func run() throws {
    let ring = try argument.withKeys { try Keyring.rotate(in: $0, keeping: keep) }
    try KeyFigures(ring).print(asJSON: json.json)
  }
}
