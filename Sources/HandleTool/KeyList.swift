import ArgumentParser
import Formatting
import HandleStore
import SystemPackage

struct KeyList: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "List the ids of a store's keys, and show which key signs.",
    discussion: """
      Prints one line per key, oldest first: its id, which each token that it signed contains, and \
      whether it signs new tokens. The secrets are not printed. A store has no keys before its \
      first export. With --json, prints one object per line.

        handlestore key list /var/lib/nodes

      Exit codes: 0 success; 3 the store cannot be used, or users other than its owner can read \
      the keys.
      """)

  @OptionGroup var argument: StoreArgument
  @OptionGroup var json: JSONOption

  func run() throws {
    let ring = try argument.reading { try Keyring(in: $0.keyPlace) }
    try KeyFigures(ring).print(asJSON: json.json)
  }
}

/// The figures that the commands print of a store's keys.
struct KeyFigures {
  private let keys: [(id: UInt8, signs: Bool)]

  init(_ ring: Keyring?) {
    keys = ring.map { ring in ring.ids.map { ($0, $0 == ring.signer) } } ?? []
  }

  func print(asJSON: Bool) throws {
    var output = Output()
    if !asJSON { try output.line("KEY  SIGNS") }
    for (id, signs) in keys {
      let object = JSON.object([("key", .number(UInt64(id))), ("signs", .flag(signs))])
      let text = Text.left("\(id)", 3) + "  " + (signs ? "yes" : "no")
      try output.line { if asJSON { object.append(to: &$0) } else { $0.append(text) } }
    }
    try output.flush()
  }
}
