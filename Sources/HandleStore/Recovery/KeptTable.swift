internal import HandleLocks
internal import Synchronization
internal import SystemPackage

/// Open files by node. It knows which were not used for longest (by the second-chance rule).
final class KeptTable: Sendable {
  private struct Place {
    var node: NodeID
    var file: OwnedDescriptor?
    var isUsed = false
  }

  private struct State {
    var places: [Place] = []
    var byNode: [NodeID: Int] = [:]
    var free: [Int] = []
    var hand = 0
    /// The place at which the last call of ``KeptTable/next(_:)`` ended.
    var checked = 0
  }

  private let state = Locked(State())
  private let size = Atomic(0)

  /// How many files are kept.
  var count: Int { size.load(ordering: .relaxed) }

  /// The nodes whose files are kept, in no order.
  var nodes: [NodeID] { state.withLock { Array($0.byNode.keys) } }

  /// The node's file, which counts as used now; `nil` if it is not kept.
  subscript(node: NodeID) -> OwnedDescriptor? {
    guard count > 0 else { return nil }
    return state.withLock { state in
      guard let place = state.byNode[node] else { return nil }
      state.places[place].isUsed = true
      return state.places[place].file
    }
  }

  /// Adds a file, unless the node has one.
  func insert(_ file: OwnedDescriptor, of node: NodeID) {
    state.withLock { state in
      guard state.byNode[node] == nil else { return }
      let place = Place(node: node, file: file, isUsed: true)
      if let free = state.free.popLast() {
        state.places[free] = place
        state.byNode[node] = free
      } else {
        state.byNode[node] = state.places.count
        state.places.append(place)
      }
      size.store(state.byNode.count, ordering: .relaxed)
    }
  }

  /// Removes a node's file if a condition holds, and returns it. No thread adds one meanwhile.
  func remove(_ node: NodeID, if isUnneeded: () -> Bool = { true }) -> OwnedDescriptor? {
    state.withLock { state in
      guard let place = state.byNode[node], isUnneeded() else { return nil }
      state.byNode[node] = nil
      state.free.append(place)
      size.store(state.byNode.count, ordering: .relaxed)
      defer { state.places[place].file = nil }
      return state.places[place].file
    }
  }

  /// Returns up to `limit` nodes whose files were not used since the last calls came past them.
  func leastRecentlyUsed(_ limit: Int) -> [NodeID] {
    state.withLock { state in
      var found: [NodeID] = []
      for _ in 0..<2 * state.places.count where found.count < min(limit, state.byNode.count) {
        state.hand = (state.hand + 1) % state.places.count
        guard state.places[state.hand].file != nil else { continue }
        if !state.places[state.hand].isUsed { found.append(state.places[state.hand].node) }
        state.places[state.hand].isUsed = false
      }
      return found
    }
  }

  /// Returns the files in the next `limit` places, without counting them as used. Calls go round.
  func next(_ limit: Int) -> [(node: NodeID, file: OwnedDescriptor)] {
    state.withLock { state in
      var found: [(node: NodeID, file: OwnedDescriptor)] = []
      for _ in 0..<min(limit, state.places.count) {
        state.checked = (state.checked + 1) % state.places.count
        let place = state.places[state.checked]
        if let file = place.file { found.append((place.node, file)) }
      }
      return found
    }
  }
}
