internal import Glibc
internal import HandleStore
internal import SystemPackage

/// Lets go of files without a name when nothing uses them any more.
///
/// FORGET alone does not say when that is. After a kill the lookup count is an upper bound: it may
/// include a reply that was never sent, and the kernel does not repeat a FORGET that the killed
/// server had already read. And no request tells the server that a file was removed behind the
/// mount's back. So, several times a second, the server checks the files that it has open, and asks
/// the kernel whether it still knows those that have no name.
extension Server {
  /// Repeats the check in the background; never returns.
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

  /// Takes note of the open files that lost their last name before this server began.
  private func rememberNameless() {
    for node in openFiles.nodes {
      guard let file = try? store.open(node) else { continue }
      defer { try? file.close() }
      if (try? FileStatus(of: file))?.links == 0 { housekeeping.losesName(node) }
    }
  }

  private func letGoOfRemoved() { files.forEach(letGoIfRemoved) }

  /// Handles files that were removed behind the mount's back, as soon as the server hears of it.
  func letGoOfRemoved(_ events: [FilesystemEvent]) {
    for event in events
    where WatchMask(event).contains(.delete) && !notifier.isOwn(event.process) {
      guard let handle = event.file,
        let node = try? store.node(of: handle, on: filesystems.main)?.id
      else { continue }
      for access in Access.allCases {
        if let file = files.find(node, access) { letGoIfRemoved(node, file) }
      }
    }
  }

  /// Handles a file that may have been removed behind the mount's back. One that is open through the
  /// mount goes on working. Any other is closed, so that its blocks become free.
  private func letGoIfRemoved(_ node: NodeID, _ file: BackingFile) {
    guard file.hasNoName, orphans[node] == nil else { return }
    housekeeping.losesName(node)
    if openFiles.needsParking(node) {
      try? orphans.hold(file, node, parks: true)
    } else {
      files.remove(node)
    }
  }

  /// Treats a node as forgotten by the kernel, whatever the counts say.
  func takeAsForgotten(_ node: NodeID) {
    lookups.unpin(node, count: .max)
    openFiles.closeAll(of: node)
    written.removeIfClosed(node)
    letGo(of: node)
  }
}

/// The nodes that the kernel does not know, and since when.
struct UnknownNodes {
  /// How long the kernel must not know a node, in milliseconds. A reply that makes the node known
  /// may still be on its way.
  private static let patience = 250
  /// The same for a node that counts as open: the process that created the file may not have run
  /// since then, so that it has not read the reply yet.
  private static let patienceOfOpen = 10_000

  private var since: [NodeID: Int] = [:]

  /// Returns the nodes that the kernel has not known for long enough.
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
