internal import Synchronization

/// What keeps nodes in the store besides their watches: the pins of clients, and the exports that are
/// open.
///
/// Pinning and dropping keep out of each other's way without a common lock. Who drops first puts the
/// nodes on a list, counts that in ``moment``, and then looks at the pins; who pins takes the moment,
/// makes sure of the node, pins it, and then looks at the moment again. If it is still the same and
/// quiet, no dropping has begun in between or was under way, and the next one sees the pin. Else whoever
/// pins waits until the node is on no list, and makes sure of it once more.
final class Holds: Sendable {
  /// Nodes that are being dropped, as far as nobody holds them.
  final class Eviction: Sendable {
    fileprivate let nodes: [NodeID]
    fileprivate let end = Event()

    fileprivate init(_ nodes: [NodeID]) { self.nodes = nodes }
  }

  /// How many evictions have begun, and how many of them are under way (the lower half).
  struct Moment: Equatable {
    fileprivate let counts: UInt64
    var isQuiet: Bool { counts & 0xffff_ffff == 0 }
  }

  private struct State {
    var pins: [Pins] = []
    /// By how many exports a node is held.
    var roots: [NodeID: Int] = [:]
    var evictions: [Eviction] = []
  }

  private let state = Mutex(State())
  private let counts = Atomic<UInt64>(0)
  private static let beginning: UInt64 = 1 << 32 + 1

  // MARK: Who holds

  func add(_ pins: Pins) { state.withLock { $0.pins.append(pins) } }
  func remove(_ pins: Pins) { state.withLock { $0.pins.removeAll { $0 === pins } } }
  func keep(root: NodeID) { state.withLock { $0.roots[root, default: 0] += 1 } }

  func letGo(root: NodeID) {
    state.withLock { state in
      let count = state.roots[root, default: 0]
      state.roots[root] = count > 1 ? count - 1 : nil
    }
  }

  /// Whether a node is pinned, or the root of an export.
  func isHeld(_ id: NodeID) -> Bool {
    state.withLock { state in
      state.roots[id] != nil || state.pins.contains { $0.count(of: id) > 0 }
    }
  }

  // MARK: Who drops

  var moment: Moment { Moment(counts: counts.load(ordering: .sequentiallyConsistent)) }

  /// Begins to drop nodes. Whether they are held is to be asked from here on.
  func beginEviction(of nodes: [NodeID]) -> Eviction {
    let eviction = Eviction(nodes)
    state.withLock { $0.evictions.append(eviction) }
    counts.wrappingAdd(Self.beginning, ordering: .sequentiallyConsistent)
    return eviction
  }

  /// What was dropped is gone for everybody who looks.
  func end(_ eviction: Eviction) {
    state.withLock { $0.evictions.removeAll { $0 === eviction } }
    counts.wrappingSubtract(1, ordering: .sequentiallyConsistent)
    eviction.end.set()
  }

  /// Waits until nobody drops a node any more who may not have seen that it is held.
  func waitForEviction(of id: NodeID) {
    while let eviction = state.withLock({ $0.evictions.first { $0.nodes.contains(id) } }) {
      eviction.end.wait()
    }
  }
}
