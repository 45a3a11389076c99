import ArgumentParser
import HandleStore
import SystemPackage

struct Open: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Open a node by its handle and show its file.",
    discussion: """
      Opens the file of a node as a server does, by its file handle, as a path (O_PATH, which does \
      not touch the file), and prints its status and its current path. The command looks for the \
      filesystem among the mounted ones.

        handlestore open /var/lib/nodes 17

      If a node is stale, its file is gone, or its inode belongs to another file now. An unlinked \
      file can still be opened while a process holds it open.

      Exit codes: 0 the file was opened; 1 the node is stale, or there is no such node; 3 the \
      store cannot be used; 4 not permitted (run as root), or the filesystem is not mounted.
      """)

  @OptionGroup var argument: StoreArgument
  @Argument(help: "The node's id, a number.")
  var node: NodeID
  @OptionGroup var output: JSONOption

  func run() throws {
    try argument.reading { store in
      _ = try store.attachMounted()
      let file: FileDescriptor
      do throws(StoreError) {
        file = try store.open(node)
      } catch {
        if case .stale = error { try reportStale() }
        throw error
      }
      try file.closeAfter { try report(file, store) }
    }
  }

  private func reportStale() throws {
    var report = Report()
    report.add("node", node.rawValue)
    report.add("state", "stale")
    try report.print(asJSON: output.json)
  }

  private func report(_ file: FileDescriptor, _ store: Store) throws {
    let status = try FileStatus(of: file)
    var report = Report()
    report.add("node", node.rawValue)
    report.add("state", "live")
    report.add("type", status.type.name)
    report.add("mode", Self.octal(status.mode))
    report.add("size", .bytes(status.size))
    report.add("links", UInt64(status.links))
    report.add("inode", status.inode)
    if let node = try store.node(node) {
      report.add("filesystem", UInt64(node.filesystem.rawValue))
      report.add("parent", node.parent.map { .number($0.rawValue) } ?? .unknown)
    }
    PresentPath(of: file, status: status, node: node, in: store).add(to: &report)
    try report.print(asJSON: output.json)
  }

  /// Returns the permission bits in octal, as chmod(1) takes them.
  private static func octal(_ mode: UInt32) -> String {
    let digits = String(mode & 0o7777, radix: 8)
    return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
  }
}
