internal import HandleStore
internal import Synchronization

/// How many nodes the kernel may know, and for how long it may keep one that nobody uses.
final class NodeBound: Sendable {
  /// The most nodes; `nil` for any number.
  let limit: Int?
  /// For how many milliseconds the kernel may keep an unused node; `nil` for ever.
  let idle: UInt32?
  let uses: LastUses
  private let asked = Atomic<UInt64>(0)
  private let bell: Bell

  /// Returns `nil` if there is nothing to bound.
  ///
  /// - Parameters:
  ///   - nodes: the most nodes, or 0.
  ///   - idle: the most seconds without use, at most 10⁶, or 0.
  init?(nodes: Int, idle: Double) throws {
    guard nodes > 0 || idle > 0 else { return nil }
    limit = nodes > 0 ? nodes : nil
    self.idle = idle > 0 ? UInt32(idle * 1000) : nil
    uses = LastUses(nodes: nodes > 0 ? nodes : 1 << 20)
    bell = try Bell()
  }

  /// With more nodes than this, some are asked back, and the store drops some. The rest up to the
  /// limit is for those that are new meanwhile.
  static func most(of limit: Int) -> Int { limit - min(max(limit / 8, 1000), limit / 2) }

  private var most: Int { limit.map(Self.most) ?? .max }

  /// Returns how many of `count` nodes to ask back. It is an eighth at least, so that the search for
  /// them is worth it.
  func excess(of count: Int) -> Int { count > most ? count - (most - most / 8) : 0 }

  /// How many nodes were asked back since the server began.
  var askedCount: UInt64 { asked.load(ordering: .relaxed) }
  func countAsked(_ count: Int) { asked.wrappingAdd(UInt64(count), ordering: .relaxed) }

  // MARK: Waiting

  /// Takes note that a node is used, and that the kernel now knows `count` nodes. Any thread.
  func note(_ node: NodeID, among count: Int) {
    uses.note(node)
    if count > most { bell.ring() }
  }

  /// Waits until there are too many nodes, or it is time to look for unused ones.
  func wait() {
    let patience = idle.map { min(max(Int($0) / 4, 100), 10_000) } ?? 10_000
    bell.wait(milliseconds: patience)
  }
}
