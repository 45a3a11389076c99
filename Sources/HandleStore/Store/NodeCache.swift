internal import Synchronization

/// The records of recently used nodes, in memory: sets of four places each, found by the id, in
/// shards that have a lock each. The ids of a set stand together, and the records of neighbouring ids,
/// so that a find and an insertion touch few cache lines.
///
/// A record read from a snapshot is put in only if no record of its shard has changed since before
/// the snapshot: else a reader that was slow could put an old record over a new one.
final class NodeCache: Sendable {
  /// What a reader has to show to put in what it reads.
  struct Ticket { fileprivate let changes: UInt64 }

  private struct Shard {
    /// By set, then by place.
    var ids: [UInt64]
    /// By place, then by set.
    var records: [Record]
    var changes: UInt64 = 0
    var hits: UInt64 = 0
    var puts = 0
  }

  private final class LockedShard: Sendable {
    let contents: Mutex<Shard>

    init(sets: Int) {
      contents = Mutex(
        Shard(
          ids: Array(repeating: 0, count: sets * ways),
          records: Array(repeating: Record(), count: sets * ways)))
    }
  }

  private static let ways = 4
  private static let shardCount = 16
  /// In each shard: 2²⁴ nodes in all, and a gibibyte.
  private static let mostSets = 1 << 18
  /// This many ids in a row are in one shard.
  private static let run = 64
  private let shards: [LockedShard]
  /// In each shard; a power of two.
  private let sets: Int
  /// By the hash of an index key, the node that had such a key last: the upper bits of the hash, and
  /// the id where it is small enough.
  private let hints: AtomicWords
  private static let hintBits: UInt64 = 48
  private static let hintMask: UInt64 = 1 << hintBits - 1

  /// Room for at least `size` nodes; `nil` for none.
  init?(size: Int) {
    guard size > 0 else { return nil }
    var sets = 1
    while sets < Self.mostSets && sets * Self.ways * Self.shardCount < size { sets *= 2 }
    self.sets = sets
    hints = AtomicWords(count: sets * Self.ways * Self.shardCount)
    shards = (0..<Self.shardCount).map { _ in LockedShard(sets: sets) }
  }

  private func shard(_ id: NodeID) -> LockedShard {
    shards[Int(truncatingIfNeeded: id.rawValue / UInt64(Self.run)) & (Self.shardCount - 1)]
  }

  private func set(_ id: NodeID) -> Int {
    let id = Int(truncatingIfNeeded: id.rawValue)
    let runs = id / (Self.run * Self.shardCount)
    return (runs * Self.run + id & (Self.run - 1)) & (sets - 1)
  }

  /// The place of its set at which a node is. An empty place has the id 0, which no node has.
  private func way(_ id: NodeID, in set: Int, _ shard: inout Shard) -> Int? {
    guard id.rawValue != 0 else { return nil }
    for way in 0..<Self.ways where shard.ids[set * Self.ways + way] == id.rawValue { return way }
    return nil
  }

  /// A node's record where it is here, else what is needed to put it in.
  func find(_ id: NodeID) -> (Record?, Ticket) {
    let set = set(id)
    return shard(id).contents.withLock { shard in
      let ticket = Ticket(changes: shard.changes)
      guard let way = way(id, in: set, &shard) else { return (nil, ticket) }
      shard.hits += 1
      return (shard.records[way * sets + set], ticket)
    }
  }

  /// Puts in a record read from a snapshot that was begun after ``find(_:)`` gave the ticket.
  func insert(_ id: NodeID, _ record: Record, _ ticket: Ticket) {
    let set = set(id)
    shard(id).contents.withLock { shard in
      guard shard.changes == ticket.changes else { return }
      put(id, record, set, &shard)
    }
  }

  /// Puts in the records of nodes that no snapshot has had before.
  func insert(_ added: [(NodeID, Record)]) {
    var next = 0
    while next < added.count {
      let shard = shard(added[next].0)
      shard.contents.withLock { contents in
        repeat {
          let (id, record) = added[next]
          put(id, record, set(id), &contents)
          next += 1
        } while next < added.count && self.shard(added[next].0) === shard
      }
    }
  }

  /// Takes up that a node has another record, or none.
  func replace(_ id: NodeID, _ record: Record?) {
    let set = set(id)
    shard(id).contents.withLock { shard in
      shard.changes += 1
      guard let way = way(id, in: set, &shard) else { return }
      guard let record else { return shard.ids[set * Self.ways + way] = 0 }
      shard.records[way * sets + set] = record
    }
  }

  private func put(_ id: NodeID, _ record: Record, _ set: Int, _ shard: inout Shard) {
    // The same place for a run, so that neighbours are written behind one another.
    let way = way(id, in: set, &shard) ?? shard.puts / Self.run % Self.ways
    shard.puts &+= 1
    shard.ids[set * Self.ways + way] = id.rawValue
    shard.records[way * sets + set] = record
  }

  /// A node that may be the one of an index key with a hash; whether it is, its record tells.
  func hint(_ hash: UInt64) -> NodeID? {
    let hint = hints[place(hash)]
    guard hint >> Self.hintBits == hash >> Self.hintBits, hint & Self.hintMask != 0 else {
      return nil
    }
    return NodeID(rawValue: hint & Self.hintMask)
  }

  /// Remembers that an index key with a hash is a node's.
  func setHint(_ hash: UInt64, _ id: NodeID) {
    guard id.rawValue <= Self.hintMask else { return }
    hints[place(hash)] = hash & ~Self.hintMask | id.rawValue
  }

  private func place(_ hash: UInt64) -> Int {
    Int(truncatingIfNeeded: hash) & (hints.count - 1)
  }

  /// How many times a node was found here.
  var hits: UInt64 { shards.reduce(0) { $0 + $1.contents.withLock { $0.hits } } }
}
