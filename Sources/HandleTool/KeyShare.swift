import ArgumentParser
import HandleStore
import PostgresNodeIndex
import SystemPackage

struct KeyShare: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "share",
    abstract: "Give a store the keys of another store.",
    discussion: """
      Replaces the keys of STORE by those of the store FROM, and prints them. FROM may also be a \
      single file 'keys': a saved copy from a lost store, or a file that was copied into STORE. \
      Then each store accepts the tokens that the other one signed, if the export has the same \
      number on both ('export add --id') and the tokens were not made with --reference. Tokens \
      signed by STORE's own keys are refused from now on. Share again after each rotation.

        handlestore key share /var/lib/nodes /mnt/other/nodes
        handlestore key share /mnt/backup/keys /var/lib/nodes

      A file 'keys' that was copied from another store is refused until 'key share' takes it over. \
      Servers may have the stores open. The server of STORE takes up the new keys within a second.

      Exit codes: 0 shared; 3 there is no store in FROM or STORE, FROM has no keys yet, or users \
      other than its owner can read them; 4 not permitted, or the disk is full.
      """)

  @Argument(
    help: """
      The store whose keys to share: its directory, shared:CONNECTION for a store in a database, or \
      a file 'keys'.
      """, completion: .file())
  var from: StoreLocation
  @OptionGroup var argument: StoreArgument
  @OptionGroup var json: JSONOption

  func run() throws {
    let theirs = try theirs()
    let ring = try argument.withKeys { try theirs.share(with: $0) }
    try KeyFigures(ring).print(asJSON: json.json)
  }

  private func theirs() throws -> Keyring {
    let (ring, path): (Keyring?, FilePath)
    switch from {
    case .directory(let directory):
      (ring, path) = (try Keyring(ofStoreOrFileAt: directory), directory)
    case .shared(let connection):
      let store = try Store(shared: connection.text)
      (ring, path) = (try Keyring(in: store.keyPlace), store.path)
      try store.close()
    }
    guard let ring else { throw StoreError.noKeys(path: path) }
    return ring
  }
}
