internal import HandleStore
internal import Synchronization

/// Which nodes to read before somebody asks for them. Files of a directory usually got their ids one after
/// another; so whoever misses two nodes of a block of ids in memory will miss the others, too.
struct ReadAhead: ~Copyable {
  /// How many ids a block has.
  static let length: UInt64 = 512
  private static let places = 16
  /// For each place, the number of a block of which a node was missed, plus 1; 0 for none.
  private let missed = AtomicWords(count: places)

  /// Takes note that a node was missed. Returns the ids of its block if they should be read now.
  func miss(_ id: NodeID) -> Range<UInt64>? {
    let block = id.rawValue / Self.length
    let place = Int(truncatingIfNeeded: block) & (Self.places - 1)
    guard missed[place] == block + 1 else {
      missed[place] = block + 1
      return nil
    }
    missed[place] = 0
    return block * Self.length..<(block + 1) * Self.length
  }
}

extension PostgresNodeIndex {
  /// Called when a node was read that was not in memory. Reads those around it, if it seems worth it.
  func readAhead(around id: NodeID) {
    guard let cache, let block = readAhead.miss(id) else { return }
    let tickets = cache.tickets()
    // If it fails, each node is read when it is asked for, and says why.
    guard let rows = try? database.read(WorkingSet.nodes(in: block)) else { return }
    for row in 0..<rows.count {
      guard let (id, entry) = try? rows.entry(row, on: filesystems) else { continue }
      cache.insert(id, entry.record, ticket: tickets[id])
      if let key = entry.keys.first, entry.record.state == .live { cache.setHint(key.hash, id) }
    }
  }
}
