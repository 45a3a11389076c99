import ArgumentParser
import HandleStore
import SystemPackage

struct Decode: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say what file a token is of, or which check refuses it.",
    discussion: """
      Sends a token through the gate of an export, as a server does with what a client sent: its \
      length, handle type and version are looked at, its key, signature and export, then the file is \
      opened by its handle as a path (O_PATH: nothing happens to it), and is to be the same file, of \
      the same type, and in the export now. Prints the file, and the path that it has now. A server \
      may write meanwhile.

        TOKEN=$(handlestore token /var/lib/nodes home report.txt)
        handlestore decode /var/lib/nodes home $TOKEN

      Where it is refused, the first check that did so is named: length, handleType, version, key, \
      signature, export, unknownNode, stale, replaced, fileType or outside.

      Exit codes: 0 it passes; 1 it is refused; 2 TOKEN is not hexadecimal; 3 the store cannot be \
      used, or has no such export; 4 not permitted (run as root), or the export's filesystem is not \
      mounted.
      """)

  @OptionGroup var arguments: ExportArguments
  @Argument(help: "The token's bytes in hexadecimal, with nothing between.")
  var token: Token
  @OptionGroup var output: JSONOption

  func run() throws {
    try arguments.reading { store, export in
      let file: DecodedFile
      do throws(StoreError) {
        file = try export.decode(token)
      } catch {
        if case .refused(let refusal) = error { try report(refusal) }
        throw error
      }
      try file.descriptor.closeAfter { try report(file, export, store) }
    }
  }

  /// Prints the refusal as JSON. Without `--json`, the error on standard error is enough.
  private func report(_ refusal: GateRefusal) throws {
    guard output.json else { return }
    var report = Report()
    report.add("refused", refusal.name)
    try report.print(asJSON: true)
  }

  private func report(_ file: DecodedFile, _ export: Export, _ store: Store) throws {
    let layer = export.record.layers[file.layer]
    let node = try file.node ?? store.node(of: file.handle, on: layer.filesystem)?.id
    var report = Report()
    report.add("refused", .unknown)
    report.add("node", node.map { .number($0.rawValue) } ?? .unknown)
    report.add("form", token.bytes.count == Token.referenceLength ? "reference" : "value")
    report.add("type", file.status.type.name)
    report.add("inode", file.status.inode)
    report.add("filesystem", UInt64(layer.filesystem.rawValue))
    report.add("layer", UInt64(file.layer))
    report.add("handle type", file.handle.type.description)
    report.add("handle", file.handle.hexadecimal)
    PresentPath(of: file, node, in: layer, store).add(to: &report)
    try report.print(asJSON: output.json)
  }
}
