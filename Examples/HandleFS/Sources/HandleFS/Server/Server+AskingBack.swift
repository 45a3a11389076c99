internal import HandleStore
internal import SystemPackage

/// Asks the kernel for the nodes that it merely caches, if it has too many or keeps them for too
/// long. It drops those that nobody uses, and says so (FORGET). Then the store may drop them.
extension Server {
  /// Does so in the background; never returns.
  func askBack(_ bound: NodeBound) {
    let canAsk = notifier.canPrune
    if !canAsk { tellCannotAsk() }
    var kept = KeptNodes()
    var rest = Rest()
    while true {
      bound.wait()
      rest.beginWork()
      let asked = canAsk ? unusedNodes(bound) : []
      let gone = askBack(asked, bound)
      kept.add(asked, in: lookups)
      takeBackForgotten(&kept)
      evict()
      if asked.isEmpty {
        rest.take(isFutile: bound.excess(of: lookups.nodeCount) > 0)
      } else if gone * 2 < asked.count {
        rest.take(isFutile: true)
      } else {
        rest = Rest()
      }
    }
  }

  private func tellCannotAsk() {
    log.warning(
      "this kernel cannot be asked to forget files (Linux 6.18 can): only what it forgets by itself counts for --nodes and --idle-forget"
    )
  }

  private func takeBackForgotten(_ kept: inout KeptNodes) {
    let forgotten = kept.forgotten(in: lookups) { notifier.isKnown(wire($0).number) }
    for (node, count) in forgotten where lookups.unpin(node, count: count) == 0 { letGo(of: node) }
  }

  private func unusedNodes(_ bound: NodeBound) -> [NodeID] {
    let excess = excessNodes(of: bound)
    return excess.isEmpty ? idleNodes(of: bound) : excess
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
    node != root && !openFiles.isOpen(node) && !housekeeping.isNameless(node)
      && orphans[node] == nil
  }

  /// Asks the kernel for nodes, and waits a moment for it to give them back. Returns how many it has
  /// given back.
  private func askBack(_ nodes: [NodeID], _ bound: NodeBound) -> Int {
    guard !nodes.isEmpty else { return 0 }
    // Those that are in use have their next turn when all others have had theirs.
    nodes.forEach(bound.uses.note)
    notifier.prune(nodes.map { wire($0).number })
    bound.countAsked(nodes.count)
    var gone = 0
    for _ in 0..<50 where gone * 2 < nodes.count {
      Processes.sleep(milliseconds: 1)
      gone = nodes.count { lookups.count(of: $0) == 0 }
    }
    return gone
  }

  private func evict() {
    guard neighbours.areComplete else { return }
    do {
      try store.evict()
    } catch {
      if case .closed = error { return }
      log.error(
        "dropping nodes that the kernel has forgotten failed", metadata: ["error": "\(error)"])
    }
  }
}

/// Rests after work that brought nothing, because most nodes are in use: ten times as long as the work
/// took, so that it does not take much of a processor, and longer each time.
private struct Rest {
  private var began: UInt64 = 0
  private var last = 0

  mutating func beginWork() { began = Clock.threadMilliseconds }

  /// - Parameter isFutile: whether there was something to do.
  mutating func take(isFutile: Bool) {
    last = isFutile ? min(last * 2 + 1, 1000) : 0
    let worked = Int(Clock.threadMilliseconds - began)
    Processes.sleep(milliseconds: UInt32(min(max(last, 10 * worked), 10_000)))
  }
}
