internal import Glibc
internal import HandleStore
internal import SystemPackage

/// Lets go of files that have no name any more, when nobody has a use for them.
///
/// FORGET alone does not tell when that is. The count of lookups is an upper bound after a kill: an answer
/// was counted that never went out, and what a server was killed with in hand is not sent again. And of
/// what is removed behind the mount's back nobody tells. So several times in a second this looks at the
/// files that the server has open, and asks the kernel whether it still knows those without a name.
extension Server {
  /// Goes on for ever.
  func letGoOfForgotten() {
    rememberNameless()
    var unknown = UnknownNodes()
    while true {
      Processes.sleep(milliseconds: 300)
      letGoOfRemoved()
      let nameless = Set(orphans.nameless + housekeeping.nameless)
      let known = nameless.filter { notifier.isKnown(wire($0).number) }
      notifier.prune(known.filter { !openFiles.isOpen($0) }.map { wire($0).number })
      for node in unknown.settled(among: nameless.subtracting(known), in: openFiles) {
        takeAsForgotten(node)
      }
    }
  }

  /// Files that are open, and lost their last name before this server began.
  private func rememberNameless() {
    for node in openFiles.nodes {
      guard let file = try? store.open(node) else { continue }
      defer { try? file.close() }
      if (try? FileStatus(of: file))?.links == 0 { housekeeping.losesName(node) }
    }
  }

  /// Files that were removed behind the mount's back: one that is open goes on working, and any other's
  /// blocks are to be free.
  private func letGoOfRemoved() {
    files.forEach { node, file in
      guard file.hasNoName, orphans[node] == nil else { return }
      housekeeping.losesName(node)
      if openFiles.needsParking(node) {
        try? orphans.keep(file, node, parks: true)
      } else {
        files.remove(node)
      }
    }
  }

  /// The kernel knows a node no more, whatever was counted.
  private func takeAsForgotten(_ node: NodeID) {
    lookups.unpin(node, count: .max)
    openFiles.closeAll(of: node)
    isForgotten(node)
  }
}

/// Nodes that the kernel does not know, and since when.
private struct UnknownNodes {
  /// Milliseconds. A reply may be on its way, after which the kernel knows the node.
  private static let patience = 250
  /// Of one that is open by what was counted: who made it may have got no time since to take the reply.
  private static let patienceOfOpen = 10_000

  private var since: [NodeID: Int] = [:]

  /// Those that the kernel has not known for long enough.
  mutating func settled(among unknown: Set<NodeID>, in openFiles: OpenFiles) -> [NodeID] {
    let now = Processes.now
    since = Dictionary(uniqueKeysWithValues: unknown.map { ($0, since[$0] ?? now) })
    return since.filter { node, start in
      now - start >= (openFiles.isOpen(node) ? Self.patienceOfOpen : Self.patience)
    }.map(\.key)
  }
}

extension BackingFile {
  /// Whether it has lost its last name.
  var hasNoName: Bool { (try? status)?.st_nlink == 0 }
}
