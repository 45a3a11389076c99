internal import HandleStore
internal import SystemPackage

/// Asks the kernel for the nodes that it merely caches, if it has too many or keeps them for too
/// long. It drops those that nobody uses, and says so (FORGET). Then the store may drop them.
extension Server {
  /// Does so in the background; never returns.
  func askBack(_ bound: NodeBound) {
    if !notifier.canPrune {
      log.warning(
        "this kernel cannot be asked to forget files (Linux 6.18 can): only what it forgets by itself counts for --nodes and --idle-forget"
      )
    }
    var kept = KeptNodes()
    while true {
      bound.wait()
      let began = Processes.now
      let asked = excessNodes(of: bound) + idleNodes(of: bound)
      let gone = askBack(asked, bound)
      kept.add(asked, in: lookups)
      for (node, count) in kept.forgotten(
        in: lookups, isKnown: { notifier.isKnown(wire($0).number) })
      where lookups.unpin(node, count: count) == 0 {
        letGo(of: node)
      }
      evict()
      // If most are in use, the search for others must not take all of a processor.
      if gone < asked.count / 2 {
        Processes.sleep(milliseconds: UInt32(min(max(10 * (Processes.now - began), 50), 10_000)))
      }
    }
  }

  /// Returns the nodes that have not been used for longest, as many as there are too many.
  private func excessNodes(of bound: NodeBound) -> [NodeID] {
    let excess = bound.excess(of: lookups.nodeCount)
    guard excess > 0 else { return [] }
    let nodes = lookups.nodes.map { (age: bound.uses.age(of: $0), id: $0) }
      .sorted { $0.age != $1.age ? $0.age > $1.age : $0.id < $1.id }
    return Array(nodes.lazy.map(\.id).filter(mayGo).prefix(excess))
  }

  private func idleNodes(of bound: NodeBound) -> [NodeID] {
    guard let idle = bound.idle else { return [] }
    return lookups.nodes.filter { bound.uses.age(of: $0) > idle && mayGo($0) }
  }

  /// Whether a node may be asked back. One without a name could not be found again. The kernel itself
  /// keeps what is in use in other ways: working directories, mount points, directories above others.
  private func mayGo(_ node: NodeID) -> Bool {
    node != export.root && !openFiles.isOpen(node) && !housekeeping.isNameless(node)
      && orphans[node] == nil
  }

  /// Asks the kernel for nodes, and waits until it has given them back; returns how many it has.
  private func askBack(_ nodes: [NodeID], _ bound: NodeBound) -> Int {
    guard !nodes.isEmpty else { return 0 }
    // Those that are in use have their next turn when all others have had theirs.
    nodes.forEach(bound.uses.note)
    notifier.prune(nodes.map { wire($0).number })
    bound.countAsked(nodes.count)
    // What was given back comes in the same order.
    for _ in 0..<50 where nodes.last.map({ lookups.count(of: $0) > 0 }) == true {
      Processes.sleep(milliseconds: 1)
    }
    return nodes.count { lookups.count(of: $0) == 0 }
  }

  private func evict() {
    do {
      try store.evict()
    } catch {
      if case .closed = error { return }
      log.error(
        "dropping nodes that the kernel has forgotten failed", metadata: ["error": "\(error)"])
    }
  }
}

/// Nodes that were asked back and are still counted. They may be in use. But the kernel may also have
/// forgotten them: a killed server had read that and not counted it, or counted a lookup twice.
private struct KeptNodes {
  private struct Look {
    var count: UInt64
    var looks = 0
  }

  /// How often in a row, once a second, the kernel must not know a node. A reply that makes the node
  /// known, or the news that it is forgotten, may still be on its way.
  private static let patience = 10

  private var nodes: [NodeID: Look] = [:]
  private var lastLook = 0

  mutating func add(_ asked: [NodeID], in lookups: Pins) {
    for node in asked where nodes[node] == nil {
      let count = lookups.count(of: node)
      if count > 0 { nodes[node] = Look(count: count) }
    }
  }

  /// Returns the nodes that the kernel has not known for long enough, with the lookups to take back.
  mutating func forgotten(
    in lookups: Pins, isKnown: (NodeID) -> Bool
  ) -> [(NodeID, UInt64)] {
    guard !nodes.isEmpty, Processes.now - lastLook >= 1000 else { return [] }
    lastLook = Processes.now
    nodes = nodes.filter { lookups.count(of: $0) == $1.count && !isKnown($0) }
      .mapValues { Look(count: $0.count, looks: $0.looks + 1) }
    let settled = nodes.filter { $1.looks >= Self.patience }
    for node in settled.keys { nodes[node] = nil }
    return settled.map { ($0, $1.count) }
  }
}
