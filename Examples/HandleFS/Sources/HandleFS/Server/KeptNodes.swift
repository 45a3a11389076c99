internal import HandleStore

/// Nodes that were asked back and are still counted. They may be in use. But the kernel may also have
/// forgotten them: a killed server had read that and not counted it, or counted a lookup twice.
struct KeptNodes {
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
