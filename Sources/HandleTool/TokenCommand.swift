import ArgumentParser
import HandleStore
import SystemPackage

struct TokenCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "token",
    abstract: "Print the tokens that clients get for files.",
    discussion: """
      Looks up PATH from the export's root, name by name, as a client does. Each file on the way \
      gets a node if it has none, so no server may have the store open. Symbolic links are not \
      followed. In a layered export the upper layer is searched. With --node, the command prints \
      the token of a node that the store has ('dump' lists them). It then does not look at the \
      file, and a server may write meanwhile.

        handlestore token /var/lib/nodes home docs/report.txt
        handlestore token /var/lib/nodes home --node 17 --limit 64

      A token contains the kernel's handle of the file and is valid on every server that has the \
      keys and the export. With --reference it names the node instead, and is valid for this store \
      only. Tokens are printed in hexadecimal, one per line and nothing else.

      Exit codes: 0 success; 1 there is no such file or node, it is stale, or it is not in the \
      export; 2 the token needs more than --limit bytes; 3 the store cannot be used, or has no \
      such export; 4 not permitted (run as root), or the export's filesystem is not mounted.
      """)

  @OptionGroup var arguments: ExportArguments
  @Argument(
    help: ArgumentHelp(
      "The file's path below the export's root; the root itself is '.'.", valueName: "path"))
  var paths: [FilePath] = []
  @Option(
    name: .customLong("node"),
    help: ArgumentHelp("The file's node, instead of a path.", valueName: "node"))
  var nodes: [NodeID] = []
  @Flag(help: "Make a token that names the node; it has 32 bytes.")
  var reference = false
  @Option(
    help: ArgumentHelp(
      "The maximum length in bytes: 64 in NFSv3, 128 in NFSv4 (the default).",
      valueName: "bytes"))
  var limit: Int?

  func validate() throws {
    guard paths.isEmpty != nodes.isEmpty else {
      throw ValidationError("Give either a PATH or --node to say which file the token is for.")
    }
    guard !reference || limit == nil else {
      throw ValidationError("Give --limit without --reference: such tokens have 32 bytes.")
    }
    guard (1...Token.maximumLength).contains(limit ?? 1) else {
      throw ValidationError("--limit takes 1 to \(Token.maximumLength).")
    }
  }

  func run() throws {
    if nodes.isEmpty {
      try arguments.writing { _, export in
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
