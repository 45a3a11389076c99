internal import HandleStore
internal import Synchronization

/// When each node was last used, as far as the server sees it: looked up, asked for its attributes,
/// opened. It takes four bytes for each node. If there are more nodes than places, several share
/// one; then all of them count as used when one of them is.
final class LastUses: Sendable {
  private static let chunk = 1024

  private final class Chunk: Sendable {
    let times = InlineArray<1024, Atomic<UInt32>> { _ in Atomic(0) }
  }

  private let chunks: [Chunk]
  private let start = Clock.coarseMilliseconds

  /// Makes places for about so many nodes, 65,536 to 16,777,216. All count as used now.
  init(nodes: Int) {
    let places = max(min(nodes, 1 << 24), 1 << 16)
    chunks = (0..<(places + Self.chunk - 1) / Self.chunk).map { _ in Chunk() }
  }

  /// Takes note that a node is used now. Any thread; no lock.
  func note(_ node: NodeID) {
    let (chunk, place) = place(of: node)
    chunk.times[place].store(now, ordering: .relaxed)
  }

  /// Returns for how many milliseconds a node has not been used; after 49 days it begins anew.
  func age(of node: NodeID) -> UInt32 {
    let (chunk, place) = place(of: node)
    return now &- chunk.times[place].load(ordering: .relaxed)
  }

  private var now: UInt32 { UInt32(truncatingIfNeeded: Clock.coarseMilliseconds - start) }

  /// Node ids are consecutive, so that nodes that are new at the same time have places of their own.
  private func place(of node: NodeID) -> (Chunk, Int) {
    let place = Int(node.rawValue % UInt64(chunks.count * Self.chunk))
    return (chunks[place / Self.chunk], place % Self.chunk)
  }
}
