internal import HandleLocks
internal import Synchronization

/// The records of recently used nodes, in memory. The cache consists of shards, each with a lock for
/// its writers, and a shard of sets with four places each; a node's id selects its set. Readers take no
/// lock. The ids of a set are adjacent in memory, and so are the records of neighbouring ids, so that a
/// find or an insertion touches few cache lines.
///
/// A record read from a snapshot is inserted only if no record of its shard has changed since
/// before the snapshot. Otherwise a slow reader could overwrite a new record with an old one.
package final class NodeCache: Sendable {
  /// What a reader must show to insert a record that it has read.
  package struct Ticket { fileprivate let changes: UInt64 }

  private struct Shard {
    var changes: UInt64 = 0
    var puts = 0
  }

  private final class LockedShard: Sendable {
    let contents = Locked(Shard())
    let hits = Atomic<UInt64>(0)
  }

  private static let ways = 4
  private static let shardCount = 16
  /// The most sets in a shard: in all shards 2²⁴ nodes, which take 1.03 GiB.
  private static let mostSets = 1 << 18
  /// How many consecutive ids are in the same shard.
  private static let run = 64
  private let shards: [LockedShard]
  /// How many sets each shard has; a power of two.
  private let sets: Int
  /// For each set its version, which is odd while a record of the set is written, and its ids. An empty
  /// place has the id 0, which no node has.
  private let heads: AtomicWords
  private static let headSize = 1 + ways
  /// The words of the records, ordered by place, then by set.
  private let records: AtomicWords
  private static let recordSize = Record.size / 8
  /// For the hash of an index key, the node that last had such a key: the upper bits of the hash, and
  /// the lower ones of the id.
  private let hints: AtomicWords
  private let end = Atomic<UInt64>(.max)
  /// The upper bits of the id of the last hint. All ids that are minted for years have the same.
  private let upperID = Atomic<UInt64>(0)
  private static let hintBits: UInt64 = 48
  private static let hintMask: UInt64 = 1 << hintBits - 1

  /// Makes room for `size` nodes, rounded up, but at most 2²⁴; `nil` if `size` is 0 or less, or if there are
  /// no addresses for the room. It takes memory as it is filled.
  package init?(size: Int) {
    guard size > 0 else { return nil }
    var sets = 1
    while sets < Self.mostSets && sets * Self.ways * Self.shardCount < size { sets *= 2 }
    self.sets = sets
    let allSets = sets * Self.shardCount
    guard let heads = AtomicWords(count: allSets * Self.headSize),
      let records = AtomicWords(count: allSets * Self.ways * Self.recordSize),
      let hints = AtomicWords(count: allSets * Self.ways)
    else { return nil }
    (self.heads, self.records, self.hints) = (heads, records, hints)
    shards = (0..<Self.shardCount).map { _ in LockedShard() }
  }

  private func shard(_ id: NodeID) -> LockedShard { shards[Self.shardNumber(id)] }

  private static func shardNumber(_ id: NodeID) -> Int {
    Int(truncatingIfNeeded: id.rawValue / UInt64(run)) & (shardCount - 1)
  }

  /// Returns the number of a node's set, among those of all shards.
  private func set(_ id: NodeID) -> Int {
    let shard = Self.shardNumber(id)
    let id = Int(truncatingIfNeeded: id.rawValue)
    let runs = id / (Self.run * Self.shardCount)
    return shard * sets + (runs * Self.run + id & (Self.run - 1)) & (sets - 1)
  }

  /// Returns the place of a node in its set.
  private func way(_ id: NodeID, in set: Int) -> Int? {
    guard id.rawValue != 0 else { return nil }
    for way in 0..<Self.ways where heads[head(set, way)] == id.rawValue { return way }
    return nil
  }

  private func head(_ set: Int, _ way: Int) -> Int { set * Self.headSize + 1 + way }

  private func record(_ set: Int, _ way: Int) -> Int {
    (way * sets * Self.shardCount + set) * Self.recordSize
  }

  // MARK: Reading

  /// Returns a node's record, or `nil` if it is not cached, or if a record of its set is being written at this moment.
  package func find(_ id: NodeID) -> Record? {
    // As in ``whileValid(_:)``.
    let end = validUntil
    guard let record = read(id) else { return nil }
    shard(id).hits.wrappingAdd(1, ordering: .relaxed)
    return Self.isBefore(end) ? record : nil
  }

  /// Reads words between two looks at the version of their set: it must be even, and the same. A record
  /// takes less time to write than to find elsewhere, so the call tries again a few times.
  private func read(_ id: NodeID) -> Record? {
    let set = set(id)
    for _ in 0..<8 {
      let version = heads.load(set * Self.headSize)
      guard version & 1 == 0 else { continue }
      guard let way = way(id, in: set) else { return nil }
      let first = self.record(set, way)
      var record = Record()
      for i in 0..<Self.recordSize { record.words[i] = records[first + i] }
      atomicMemoryFence(ordering: .acquiring)
      if heads[set * Self.headSize] == version { return record }
    }
    return nil
  }

  /// Returns the ticket for inserting a node's record. Take it before the snapshot from which the
  /// record is read.
  package func ticket(for id: NodeID) -> Ticket {
    shard(id).contents.withLock { Ticket(changes: $0.changes) }
  }

  /// Returns tickets for nodes whose ids the snapshot will tell.
  package func tickets() -> Tickets {
    Tickets(shards: shards.map { shard in shard.contents.withLock { Ticket(changes: $0.changes) } })
  }

  package struct Tickets {
    fileprivate let shards: [Ticket]

    package subscript(id: NodeID) -> Ticket { shards[NodeCache.shardNumber(id)] }
  }

  /// Whether no record has changed since a ticket for a node was taken.
  package func isCurrent(_ ticket: Ticket, of id: NodeID) -> Bool {
    shard(id).contents.withLock { $0.changes == ticket.changes }
  }

  // MARK: Writing

  /// Inserts a record read from a snapshot that began after ``ticket(for:)`` returned the ticket.
  package func insert(_ id: NodeID, _ record: Record, ticket: Ticket) {
    shard(id).contents.withLock { shard in
      guard shard.changes == ticket.changes else { return }
      put(id, record, &shard)
    }
  }

  /// Inserts the records of nodes that no earlier snapshot contains.
  package func insert(_ added: [(NodeID, Record)]) {
    var next = 0
    while next < added.count {
      let shard = shard(added[next].0)
      shard.contents.withLock { contents in
        repeat {
          put(added[next].0, added[next].1, &contents)
          next += 1
        } while next < added.count && self.shard(added[next].0) === shard
      }
    }
  }

  /// Updates the cached record of a node, or removes it if the node has none any more.
  package func replace(_ id: NodeID, _ record: Record?) {
    shard(id).contents.withLock { shard in
      shard.changes += 1
      let set = set(id)
      guard let way = way(id, in: set) else { return }
      if let record { write(id, record, set, way) } else { heads[head(set, way)] = 0 }
    }
  }

  private func put(_ id: NodeID, _ record: Record, _ shard: inout Shard) {
    let set = set(id)
    // A run uses the same place in its sets, so that the records of neighbours are adjacent.
    let way = way(id, in: set) ?? shard.puts / Self.run % Self.ways
    shard.puts &+= 1
    write(id, record, set, way)
  }

  /// Writes a record in the shard's lock. A reader that sees any of the words also sees the odd version,
  /// and one that sees the next even version sees all words.
  private func write(_ id: NodeID, _ record: Record, _ set: Int, _ way: Int) {
    let version = heads[set * Self.headSize]
    heads[set * Self.headSize] = version | 1
    atomicMemoryFence(ordering: .releasing)
    heads[head(set, way)] = id.rawValue
    let first = self.record(set, way)
    for i in 0..<Self.recordSize { records[first + i] = record.words[i] }
    heads.store((version | 1) &+ 1, at: set * Self.headSize)
  }

  /// Forgets all records.
  package func removeAll() {
    for (number, shard) in shards.enumerated() {
      shard.contents.withLock { shard in
        shard.changes += 1
        guard shard.puts > 0 else { return }
        for set in number * sets..<(number + 1) * sets {
          // To read a page that was never written takes no memory.
          for way in 0..<Self.ways where heads[head(set, way)] != 0 {
            heads[head(set, way)] = 0
          }
        }
      }
    }
  }

  // MARK: Hints

  /// Returns a node that may have an index key with this hash. The node's record shows whether it
  /// has.
  func hint(_ hash: UInt64) -> NodeID? {
    let place = place(hash)
    return hint(hash, at: place) ?? hint(hash, at: place + 1)
  }

  private func hint(_ hash: UInt64, at place: Int) -> NodeID? {
    let hint = hints[place]
    guard Self.belongs(hint, to: hash), hint & Self.hintMask != 0 else { return nil }
    return NodeID(rawValue: upperID.load(ordering: .relaxed) | hint & Self.hintMask)
  }

  private static func belongs(_ hint: UInt64, to hash: UInt64) -> Bool {
    hint >> hintBits == hash >> hintBits
  }

  /// Remembers that a node has an index key with this hash. The last hint of two takes the first place,
  /// and moves the one that is there to the second.
  package func setHint(_ hash: UInt64, _ id: NodeID) {
    let upper = id.rawValue & ~Self.hintMask
    if upperID.load(ordering: .relaxed) != upper { upperID.store(upper, ordering: .relaxed) }
    let place = place(hash)
    let former = hints[place]
    if former != 0 && !Self.belongs(former, to: hash) { hints[place + 1] = former }
    hints[place] = hash & ~Self.hintMask | id.rawValue & Self.hintMask
  }

  /// The first of the two places where a hint may be.
  private func place(_ hash: UInt64) -> Int {
    Int(truncatingIfNeeded: hash) & (hints.count - 2)
  }

  // MARK: Validity

  /// Returns what `body` has read of a cache, or `nil` if that may not be used: the process may have been
  /// stopped in the middle of it. So what counts is the end that was valid before, and the time after that.
  @inline(__always)
  package func whileValid<R>(_ body: () -> R?) -> R? {
    let end = validUntil
    guard end > 0, let result = body() else { return nil }
    return Self.isBefore(end) ? result : nil
  }

  private static func isBefore(_ end: UInt64) -> Bool {
    end == .max || SystemCalls.sinceBoot < end
  }

  /// Until when the records may be used, in nanoseconds of `CLOCK_BOOTTIME`, which also counts while
  /// the machine is suspended. `UInt64.max`, as at the beginning, if nobody else changes the nodes.
  package var validUntil: UInt64 {
    get { end.load(ordering: .acquiring) }
    set { end.store(newValue, ordering: .releasing) }
  }

  /// How many times the cache had a node.
  package var hits: UInt64 { shards.reduce(0) { $0 + $1.hits.load(ordering: .relaxed) } }
}

// MARK: Known files

extension NodeCache {
  /// Returns the live node of a file, if it is here and registering the file would change nothing.
  ///
  /// - Parameters:
  ///   - key: what the candidate's handle names. ``setHint(_:_:)`` was called with its hash.
  @inline(__always)
  package func node(
    of candidate: FoundFile, _ key: FileKey, on filesystem: FilesystemID,
    _ magic: FilesystemMagic
  ) -> NodeID? {
    guard let id = hint(key.hintHash(on: filesystem)), let record = find(id),
      record.filesystem == filesystem,
      record.isLive(candidate, isAlias: false), !candidate.hasFurtherParent(record),
      record.inlineHandle?.fileKey(on: magic) == key
    else { return nil }
    return id
  }
}

extension FileKey {
  /// A hash of the inode, whatever its generation, for ``NodeCache/setHint(_:_:)``.
  package func hintHash(on filesystem: FilesystemID) -> UInt64 {
    var hash = UInt64(filesystem.rawValue) &+ 0x9e37_79b9_7f4a_7c15
    for i in 0..<count {
      hash = (hash ^ words[i]) &* 0xff51_afd7_ed55_8ccd
      hash ^= hash >> 32
    }
    hash = hash &* 0xc4ce_b9fe_1a85_ec53
    return hash ^ hash >> 32
  }
}

extension Record {
  /// Whether this is a live node of the candidate's type, and the candidate does not change its
  /// parent. A candidate that is found by an alias changes no parent.
  func isLive(_ candidate: FoundFile, isAlias: Bool) -> Bool {
    state == .live && type == candidate.status.type && (isAlias || !candidate.moves(self))
  }
}
