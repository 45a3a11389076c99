import ArgumentParser
import HandleStore
import SystemPackage

struct TokenCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "token",
    abstract: "Print the tokens of files, as a client is given them.",
    discussion: """
      Looks PATH up from the export's root, name by name, as a client does; each file on the way gets \
      a node where it has none, so no server may have the store open. Symbolic links are not \
      followed, and of a layered export the upper layer is looked into. With --node the token is of a \
      node that the store has ('dump' lists them), and a server may write meanwhile; the file itself \
      is not looked at then.

        handlestore token /var/lib/nodes home docs/report.txt
        handlestore token /var/lib/nodes home --node 17 --limit 64

      A token names its file by the kernel's handle and is good on each server that has the keys and \
      the export; with --reference it names the node, and is good for this store only. It is printed \
      in hexadecimal, a line each and nothing else.

      Exit codes: 0 fine; 1 there is no such file or node, it is stale, or not in the export; 2 the \
      token has more than --limit bytes; 3 the store cannot be used, or has no such export; 4 not \
      permitted (run as root), or the export's filesystem is not mounted.
      """)

  @OptionGroup var arguments: ExportArguments
  @Argument(
    help: ArgumentHelp("The file, below the export's root, which is '.'.", valueName: "path"))
  var paths: [FilePath] = []
  @Option(
    name: .customLong("node"),
    help: ArgumentHelp("The file by its node instead of a path.", valueName: "node"))
  var nodes: [NodeID] = []
  @Flag(help: "Name the file by its node, in 32 bytes.")
  var reference = false
  @Option(
    help: ArgumentHelp(
      "How many bytes there is room for: 64 in NFSv3, 128 in NFSv4, which is usual.",
      valueName: "bytes"))
  var limit: Int?

  func validate() throws {
    guard paths.isEmpty != nodes.isEmpty else {
      throw ValidationError("Give a PATH or --node, to say which file the token is of.")
    }
    guard !reference || limit == nil else {
      throw ValidationError("--limit is for tokens without --reference, which have 32 bytes.")
    }
    guard (1...Token.maximumLength).contains(limit ?? 1) else {
      throw ValidationError("--limit takes 1 to \(Token.maximumLength).")
    }
  }

  func run() throws {
    if nodes.isEmpty {
      try arguments.changing { _, export in
        for path in paths { try print(export, PathWalk(in: export).node(at: path)) }
      }
    } else {
      try arguments.reading { _, export in
        for node in nodes { try print(export, node) }
      }
    }
  }

  private func print(_ export: Export, _ node: NodeID) throws {
    let form: TokenForm = reference ? .reference : .value(atMost: limit ?? Token.maximumLength)
    var output = Output()
    try output.line(export.token(for: node, form: form).description)
    try output.flush()
  }
}
