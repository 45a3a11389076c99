import ArgumentParser
import HandleStore
import SystemPackage

struct KeyShare: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "share",
    abstract: "Give a store the keys of another one.",
    discussion: """
      Puts the keys of the store FROM in place of those of STORE, and prints them. FROM may also be a \
      file 'keys' by itself: a copy that was kept of a store that is lost, or one that was put into \
      STORE. Then each store \
      takes the tokens that the other signed, if the export has the same number on both ('export add \
      --id') and the tokens were not made with --reference. Tokens that were signed under STORE's own \
      keys are refused from now on. After a rotation share again.

        handlestore key share /var/lib/nodes /mnt/other/nodes
        handlestore key share /mnt/backup/keys /var/lib/nodes

      A file 'keys' that was copied from another store is refused until then. Servers may have the stores open; that of STORE goes on with its keys until it reads them again, \
      as after 'key rotate'.

      Exit codes: 0 shared; 3 one of them is no store, FROM has no keys yet, or others than its owner \
      can read them; 4 not permitted, or the disk is full.
      """)

  @Argument(
    help: "The directory of the store that has the keys, or its file 'keys'.", completion: .file())
  var from: FilePath
  @OptionGroup var argument: StoreArgument
  @OptionGroup var json: JSONOption

  func run() throws {
    let ring = try Keyring.share(from: from, withStoreAt: argument.store)
    try KeyFigures(ring).print(asJSON: json.json)
  }
}
