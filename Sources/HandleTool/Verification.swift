import Formatting
import HandleStore
import SystemPackage

/// Opens the nodes of a store one after the other. If the store is open for writing, opening a
/// stale node retires it.
struct Verification: ~Copyable {
  private let store: Store
  private let asJSON: Bool
  private let attached: Set<FilesystemID>
  private var counts = VerifyCounts()
  private var output = Output()

  init(_ store: Store, asJSON: Bool) {
    self.store = store
    self.asJSON = asJSON
    attached = Set(store.knownFilesystems().filter(\.isAttached).map(\.id))
  }

  mutating func run(retired: Bool) throws -> VerifyCounts {
    var next: NodeID? = .root
    while let start = next {
      let page = try store.nodes(from: start)
      for node in page.nodes { try verify(node) }
      next = page.next
    }
    try counts.report(retired: retired).print(asJSON: asJSON, to: &output)
    try output.flush()
    return counts
  }

  private mutating func verify(_ node: Node) throws {
    guard node.state == .live else {
      counts.staleBefore += 1
      return
    }
    guard attached.contains(node.filesystem) else {
      counts.notChecked += 1
      return
    }
    do throws(StoreError) {
      let file = try store.open(node.id)
      counts.present += 1
      try? file.close()
    } catch {
      try take(error, node)
    }
  }

  /// Counts an error that concerns this one node alone, and rethrows all others.
  private mutating func take(_ error: StoreError, _ node: Node) throws {
    switch error {
    // The node was dropped after the page was read.
    case .unknownNode: counts.staleBefore += 1
    case .stale:
      counts.stale += 1
      try tell("stale", of: node)
    case .system(let errno, _):
      counts.failed += 1
      try tell("failed", of: node, reason: errno.description)
    default: throw error
    }
  }

  private mutating func tell(
    _ finding: String, of node: Node, reason: String? = nil
  ) throws {
    let inode = store.fileKey(of: node)
    if asJSON {
      let object = JSON.object([
        ("node", .number(node.id.rawValue)), ("finding", .string(finding)),
        ("type", .string(node.type.name)),
        ("filesystem", .number(UInt64(node.filesystem.rawValue))),
        ("inode", inode.map { .number($0.number) } ?? .null),
        ("reason", reason.map { .string($0) } ?? .null),
      ])
      try output.line { object.append(to: &$0) }
    } else {
      let number = inode.map { ", inode \($0.number)" } ?? ""
      let why = reason.map { ": \($0)" } ?? ""
      try output.line(
        "\(finding): node \(node.id) (\(node.type.name)\(number), filesystem \(node.filesystem))\(why)"
      )
    }
  }
}
