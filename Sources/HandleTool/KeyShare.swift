import ArgumentParser
import HandleStore
import SystemPackage

struct KeyShare: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "share",
    abstract: "Give a store the keys of another one.",
    discussion: """
      Puts the keys of the store FROM in place of those of STORE, and prints them. Then each store \
      takes the tokens that the other signed, if the export has the same number on both ('export add \
      --id') and the tokens were not made with --reference. Tokens that were signed under STORE's own \
      keys are refused from now on. After a rotation share again.

        handlestore key share /var/lib/nodes /mnt/other/nodes

      Servers may have the stores open; that of STORE goes on with its keys until it reads them again, \
      as after 'key rotate'.

      Exit codes: 0 shared; 3 one of them is no store, FROM has no keys yet, or others than its owner \
      can read them; 4 not permitted, or the disk is full.
      """)

  @Argument(help: "The directory of the store that has the keys.", completion: .directory)
  var from: FilePath
  @OptionGroup var argument: StoreArgument
  @OptionGroup var json: JSONOption

  func run() throws {
    // A place without a store has no keys either, which says less.
    try Store(at: from, options: StoreOptions(readOnly: true)).close()
    let ring = try Keyring.share(from: from, withStoreAt: argument.store)
    try KeyFigures(ring).print(asJSON: json.json)
  }
}
