internal import HandleStore
internal import HandleLocks

/// The nodes that other gateways want to drop and that this gateway does not hold. If something
/// holds one from now on, the gateway must object before it lets it be used (``Gateway/keep(_:)``).
final class ForeignEvictions: Sendable {
  private struct State {
    var holds: (any NodeHolds)?
    private(set) var nodes: Set<NodeID> = []

    mutating func change(_ body: (inout Set<NodeID>) -> Void) {
      let wasEmpty = nodes.isEmpty
      body(&nodes)
      if wasEmpty && !nodes.isEmpty { holds?.beginEvictionElsewhere() }
      if !wasEmpty && nodes.isEmpty { holds?.endEvictionElsewhere() }
    }
  }

  private let state = Locked(State())

  /// What holds nodes in this process; `nil` while the store is being opened.
  var holds: (any NodeHolds)? { state.withLock { $0.holds } }

  /// Called once.
  func use(_ holds: any NodeHolds) {
    state.withLock { state in
      state.holds = holds
      if !state.nodes.isEmpty { holds.beginEvictionElsewhere() }
    }
  }

  /// Takes up what the others want to drop by now. Only after this call may the caller check which
  /// of the nodes are held.
  func replace(by nodes: Set<NodeID>) {
    state.withLock { $0.change { $0 = nodes } }
  }

  /// Adds nodes that this gateway may have dropped itself, or may be dropping at this moment, until the next
  /// heartbeat knows.
  func add(_ nodes: some Sequence<NodeID>) {
    state.withLock { $0.change { $0.formUnion(nodes) } }
  }

  /// Takes note that nobody wants to drop these any more, or that they are gone.
  func remove(_ nodes: some Sequence<NodeID>) {
    state.withLock { $0.change { $0.subtract(nodes) } }
  }

  /// Returns those of some nodes that are among them.
  func listed(of ids: [NodeID]) -> [NodeID] {
    state.withLock { state in ids.filter(state.nodes.contains) }
  }
}
