internal import Synchronization

/// The records of recently used nodes, in memory: sets of four places each, found by the id, in
/// shards that have a lock each.
///
/// A record read from a snapshot is put in only if no record of its shard has changed since before
/// the snapshot: else a reader that was slow could put an old record over a new one.
final class NodeCache: Sendable {
  /// What a reader has to show to put in what it reads.
  struct Ticket { fileprivate let changes: UInt64 }

  private struct Entry {
    var id: UInt64
    var record: Record
  }

  private struct Shard {
    var entries: [Entry]
    var changes: UInt64 = 0
    var hits: UInt64 = 0
    var turn = 0
  }

  private final class LockedShard: Sendable {
    let contents: Mutex<Shard>
    init(sets: Int) {
      contents = Mutex(
        Shard(entries: Array(repeating: Entry(id: 0, record: Record()), count: sets * ways)))
    }
  }

  private static let ways = 4
  private static let shardCount = 16
  private let shards: [LockedShard]
  private let sets: Int

  /// Room for about `size` nodes, rounded up to a power of two; `nil` for none.
  init?(size: Int) {
    guard size > 0 else { return nil }
    var sets = 1
    while sets * Self.ways * Self.shardCount < size { sets *= 2 }
    self.sets = sets
    shards = (0..<Self.shardCount).map { _ in LockedShard(sets: sets) }
  }

  private func shard(_ id: NodeID) -> LockedShard {
    shards[Int(truncatingIfNeeded: id.rawValue) & (Self.shardCount - 1)]
  }

  private func firstPlace(_ id: NodeID) -> Int {
    Int(truncatingIfNeeded: id.rawValue / UInt64(Self.shardCount)) % sets * Self.ways
  }

  /// A node's record where it is here, else what is needed to put it in.
  func find(_ id: NodeID) -> (Record?, Ticket) {
    let first = firstPlace(id)
    return shard(id).contents.withLock { shard in
      for place in first..<(first + Self.ways) where shard.entries[place].id == id.rawValue {
        shard.hits += 1
        return (shard.entries[place].record, Ticket(changes: shard.changes))
      }
      return (nil, Ticket(changes: shard.changes))
    }
  }

  /// Puts in a record read from a snapshot that was begun after ``find(_:)`` gave the ticket.
  func insert(_ id: NodeID, _ record: Record, _ ticket: Ticket) {
    let first = firstPlace(id)
    shard(id).contents.withLock { shard in
      guard shard.changes == ticket.changes else { return }
      put(id, record, first, &shard)
    }
  }

  /// Puts in the record of a node that no snapshot has had before.
  func insert(_ id: NodeID, _ record: Record) {
    let first = firstPlace(id)
    shard(id).contents.withLock { put(id, record, first, &$0) }
  }

  /// Takes up that a node has another record, or none.
  func replace(_ id: NodeID, _ record: Record?) {
    let first = firstPlace(id)
    shard(id).contents.withLock { shard in
      shard.changes += 1
      for place in first..<(first + Self.ways) where shard.entries[place].id == id.rawValue {
        shard.entries[place] = Entry(
          id: record == nil ? 0 : id.rawValue, record: record ?? Record())
      }
    }
  }

  private func put(_ id: NodeID, _ record: Record, _ first: Int, _ shard: inout Shard) {
    var place = first + shard.turn
    shard.turn = (shard.turn + 1) % Self.ways
    for candidate in first..<(first + Self.ways) where shard.entries[candidate].id == id.rawValue {
      place = candidate
    }
    shard.entries[place] = Entry(id: id.rawValue, record: record)
  }

  /// How many times a node was found here.
  var hits: UInt64 { shards.reduce(0) { $0 + $1.contents.withLock { $0.hits } } }
}
