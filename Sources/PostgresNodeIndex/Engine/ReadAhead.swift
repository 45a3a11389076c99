internal import HandleStore

/// Which nodes to read before somebody asks for them. Files of a directory usually got their ids
/// one after another; so whoever misses two nodes of a block of ids in memory will miss the others,
/// too.
struct ReadAhead: ~Copyable {
  /// How many ids a block has.
  static let length: UInt64 = 512
  /// How many nodes of a block are missed before it is read, and before it is read again. Some
  /// nodes are missed each time: those that memory has no room for, and files that another name
  /// leads to.
  private static let (first, next): (UInt64, UInt64) = (2, 64)
  private static let places = 16
  /// For each place, the number of a block, plus 1, and in the lowest byte how many more misses it
  /// takes until the block is read.
  private let waiting = AtomicWords(count: places)

  /// Takes note that a node was missed. Returns the ids of its block if they should be read now.
  func miss(_ id: NodeID) -> Range<UInt64>? {
    let block = id.rawValue / Self.length
    let place = Int(truncatingIfNeeded: block) & (Self.places - 1)
    let word = waiting[place]
    let misses = word >> 8 == block + 1 ? word & 0xff : Self.first
    waiting[place] = (block + 1) << 8 | (misses > 1 ? misses - 1 : Self.next)
    return misses > 1 ? nil : block * Self.length..<(block + 1) * Self.length
  }
}

extension PostgresNodeIndex {
  /// Called when a node was read that was not in memory. Reads those around it, if it seems worth
  /// it.
  func readAhead(around id: NodeID) {
    guard let local, let block = readAhead.miss(id) else { return }
    let tickets = local.tickets()
    // If it fails, each node is read when it is asked for, and says why.
    guard let rows = try? database.read(WorkingSet.nodes(in: block)) else { return }
    local.insert((0..<rows.count).compactMap { try? rows.cacheEntry($0) }, tickets: tickets)
  }
}
