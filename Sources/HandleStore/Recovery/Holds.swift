internal import HandleLocks
internal import Synchronization

/// What keeps nodes in the store besides their watches: the pins of clients, and open exports.
///
/// Pinning and dropping need no common lock. A thread that drops nodes first puts them on a list,
/// then counts that in ``evictionCount``, and then looks at the pins. A thread that pins a node
/// reads the count, checks that the node exists, pins it, and reads the count again. If no eviction
/// was under way and the count is unchanged, none began in between, and the next eviction sees the
/// pin. Otherwise the pinning thread waits until no eviction lists the node, and checks once more
/// that it exists.
package final class Holds: NodeHolds {
  /// An eviction under way: it drops those of its nodes that nothing holds.
  final class Eviction: Sendable {
    fileprivate let nodes: Set<NodeID>
    fileprivate let end = Event()

    fileprivate init(_ nodes: [NodeID]) { self.nodes = Set(nodes) }
  }

  /// How many evictions have begun (upper half), and how many of them are under way (lower half).
  struct EvictionCount: Equatable {
    fileprivate let counts: UInt64
    var noneIsUnderWay: Bool { counts & 0xffff_ffff == 0 }
  }

  private struct State {
    var pins: [Pins] = []
    /// How many exports hold each node.
    var roots: [NodeID: Int] = [:]
    var evictions: [Eviction] = []
  }

  private let state = Locked(State())
  private let counts = Atomic<UInt64>(0)
  private let isComplete = Atomic(false)
  private let isClosed = Atomic(false)
  private static let beginning: UInt64 = 1 << 32 + 1

  package init() {}

  // MARK: Holding

  package var areComplete: Bool { isComplete.load(ordering: .acquiring) }
  func setComplete() { isComplete.store(true, ordering: .releasing) }

  func add(_ pins: Pins) { state.withLock { $0.pins.append(pins) } }
  func remove(_ pins: Pins) { state.withLock { $0.pins.removeAll { $0 === pins } } }
  func hold(root: NodeID) { state.withLock { $0.roots[root, default: 0] += 1 } }

  func release(root: NodeID) {
    state.withLock { state in
      let count = state.roots[root, default: 0]
      state.roots[root] = count > 1 ? count - 1 : nil
    }
  }

  var pins: [Pins] { state.withLock { $0.pins } }

  package var includePins: Bool { pins.contains { $0.nodeCount > 0 } }

  /// Whether a node is pinned, or is the root of an open export.
  package func isHeld(_ id: NodeID) -> Bool {
    state.withLock { state in
      state.roots[id] != nil || state.pins.contains { $0.count(of: id) > 0 }
    }
  }

  // MARK: Closing

  /// Makes each thread that pins a node from here on find the store closed, and take its pin back. It counts
  /// as an eviction that never ends. Only after this call may the caller check whether clients have pins.
  func close() {
    isClosed.store(true, ordering: .releasing)
    counts.wrappingAdd(Self.beginning, ordering: .sequentiallyConsistent)
  }

  /// Throws if the store was closed before a node was pinned: its process may no longer hold it.
  func requireOpen() throws(StoreError) {
    if isClosed.load(ordering: .acquiring) { throw .closed }
  }

  // MARK: Dropping

  var evictionCount: EvictionCount {
    EvictionCount(counts: counts.load(ordering: .sequentiallyConsistent))
  }

  /// Whether no eviction was under way at a moment, and none has begun since then.
  func noneBegan(since before: EvictionCount) -> Bool {
    before.noneIsUnderWay && evictionCount == before
  }

  /// Begins an eviction of nodes. Only after this call may the caller check which of them are held.
  func beginEviction(of nodes: [NodeID]) -> Eviction {
    let eviction = Eviction(nodes)
    state.withLock { $0.evictions.append(eviction) }
    counts.wrappingAdd(Self.beginning, ordering: .sequentiallyConsistent)
    return eviction
  }

  /// Ends an eviction. From here on every reader finds the dropped nodes gone.
  func end(_ eviction: Eviction) {
    state.withLock { $0.evictions.removeAll { $0 === eviction } }
    counts.wrappingSubtract(1, ordering: .sequentiallyConsistent)
    eviction.end.set()
  }

  package func beginEvictionElsewhere() {
    counts.wrappingAdd(Self.beginning, ordering: .sequentiallyConsistent)
  }

  package func endEvictionElsewhere() {
    counts.wrappingSubtract(1, ordering: .sequentiallyConsistent)
  }

  /// Waits until every eviction that lists a node has ended. Such an eviction may have looked at
  /// the pins before the node was pinned.
  func waitForEviction(of id: NodeID) {
    while let eviction = state.withLock({ $0.evictions.first { $0.nodes.contains(id) } }) {
      eviction.end.sleep()
    }
  }
}
