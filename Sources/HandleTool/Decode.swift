import ArgumentParser
import HandleStore
import SystemPackage

struct Decode: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show a token's file, or the check that refuses it.",
    discussion: """
      Passes a token through the gate of an export, as a server does with a token that a client \
      sent. The gate checks the token's length, handle type, version, key, signature and export. \
      It then opens the file by its handle as a path (O_PATH, which does not touch the file), and \
      checks that it is the same file, has the same type, and is in the export now. The command \
      prints the file and its current path. A server may write meanwhile.

        TOKEN=$(handlestore token /var/lib/nodes home report.txt)
        handlestore decode /var/lib/nodes home $TOKEN

      If the token is refused, the command names the first check that refused it: length, \
      handleType, version, key, signature, export, unknownNode, stale, replaced, fileType or \
      outside.

      Exit codes: 0 the token is valid; 1 it is refused; 2 TOKEN is not hexadecimal; 3 the store \
      cannot be used, or has no such export; 4 not permitted (run as root), or the export's \
      filesystem is not mounted.
      """)

  @OptionGroup var arguments: ExportArguments
  @Argument(help: "The token in hexadecimal, without separators.")
  var token: Token
  @OptionGroup var output: JSONOption

  func run() throws {
    try arguments.reading { store, export in
      let descriptor: FileDescriptor
      do throws(StoreError) {
        descriptor = try export.open(.token(token), as: .path)
      } catch {
        if case .refused(let refusal) = error { try report(refusal) }
        throw error
      }
      try descriptor.closeAfter { try report(descriptor, through: export, in: store) }
    }
  }

  /// Prints the refusal as JSON. Without `--json`, the error on standard error is enough.
  private func report(_ refusal: GateRefusal) throws {
    guard output.json else { return }
    var report = Report()
    report.add("refused", refusal.name)
    try report.print(asJSON: true)
  }

  private func report(
    _ descriptor: FileDescriptor, through export: Export, in store: Store
  ) throws {
    let file = try FoundFile(of: descriptor)
    let layers = export.record.layers
    guard let number = layers.firstIndex(where: { Self.isFile(file, on: $0.filesystem, in: store) })
    else { throw StoreError.refused(.stale) }
    let layer = layers[number]
    let node = try store.node(of: file.handle, on: layer.filesystem)?.id
    var report = Report()
    report.add("refused", .unknown)
    report.add("node", node.map { .number($0.rawValue) } ?? .unknown)
    report.add("form", token.bytes.count == Token.referenceLength ? "reference" : "value")
    report.add("type", file.status.type.name)
    report.add("inode", file.status.inode)
    report.add("filesystem", UInt64(layer.filesystem.rawValue))
    report.add("layer", UInt64(number))
    report.add("handle type", file.handle.type.description)
    report.add("handle", file.handle.hexadecimal)
    PresentPath(of: descriptor, file, node: node, on: layer, in: store).add(to: &report)
    try report.print(asJSON: output.json)
  }

  /// Whether a file's handle opens the same file on a filesystem.
  private static func isFile(
    _ file: FoundFile, on filesystem: FilesystemID, in store: Store
  ) -> Bool {
    guard let opened = try? store.open(file.handle, on: filesystem) else { return false }
    defer { try? opened.close() }
    return (try? FileStatus(of: opened))?.isOfSameFile(as: file.status) ?? false
  }
}
