internal import Synchronization

/// The records of recently used nodes, in memory. The cache consists of shards, and a shard of sets with
/// four places each; a node's id selects its set. Whoever writes a set keeps other writers away; readers
/// take no lock. The ids of a set are adjacent in memory, and so are the records of neighbouring ids, so
/// that a find or an insertion touches few cache lines.
///
/// A record read from a snapshot is inserted only if no record of its shard has changed since
/// before the snapshot. Otherwise a slow reader could overwrite a new record with an old one.
package final class NodeCache: Sendable {
  /// What a reader must show to insert a record that it has read.
  package struct Ticket { fileprivate let changes: UInt64 }

  private static let ways = 4
  private static let shardCount = 16
  /// The most sets in a shard: in all shards 2²⁴ nodes, which take 1.03 GiB.
  private static let mostSets = 1 << 18
  /// How many consecutive ids are in the same shard.
  private static let run = 64
  /// How many sets each shard has; a power of two.
  private let sets: Int
  /// For each set its version, which is odd while somebody writes the set, and its ids. An empty place has
  /// the id 0, which no node has.
  private let heads: AtomicWords
  private static let headSize = 1 + ways
  /// The words of the records, ordered by place, then by set.
  private let records: AtomicWords
  private static let recordSize = Record.size / 8
  /// What each shard counts, on a cache line of its own.
  private let counts: AtomicWords
  private enum Count: Int {
    /// Changes of nodes.
    case changes
    /// Records that were put.
    case puts
    /// Records that were found.
    case hits
  }
  private static let countsSize = 8
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
      let counts = AtomicWords(count: Self.shardCount * Self.countsSize),
      let hints = AtomicWords(count: allSets * Self.ways)
    else { return nil }
    (self.heads, self.records, self.counts, self.hints) = (heads, records, counts, hints)
  }

  private static func shard(_ id: NodeID) -> Int {
    Int(truncatingIfNeeded: id.rawValue / UInt64(run)) & (shardCount - 1)
  }

  /// Returns the number of a node's set, among those of all shards.
  private func set(_ id: NodeID) -> Int {
    let shard = Self.shard(id)
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

  private func place(_ count: Count, of shard: Int) -> Int {
    shard * Self.countsSize + count.rawValue
  }

  private func record(_ set: Int, _ way: Int) -> Int {
    (way * sets * Self.shardCount + set) * Self.recordSize
  }

  // MARK: Reading

  /// Returns a node's record, or `nil` if it is not cached, or if a record of its set is being written at this moment.
  package func find(_ id: NodeID) -> Record? {
    let end = validUntil
    guard let record = read(id) else { return nil }
    counts.increment(place(.hits, of: Self.shard(id)))
    return isValid(until: end) ? record : nil
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
  package func ticket(for id: NodeID) -> Ticket { ticket(ofShard: Self.shard(id)) }

  private func ticket(ofShard shard: Int) -> Ticket {
    Ticket(changes: counts.load(place(.changes, of: shard)))
  }

  /// Returns tickets for nodes whose ids the snapshot will tell.
  package func tickets() -> Tickets {
    Tickets(shards: (0..<Self.shardCount).map(ticket(ofShard:)))
  }

  package struct Tickets {
    fileprivate let shards: [Ticket]

    package subscript(id: NodeID) -> Ticket { shards[NodeCache.shard(id)] }
  }

  /// Whether no record of the node's shard has changed since the ticket was taken.
  package func isCurrent(_ ticket: Ticket, of id: NodeID) -> Bool {
    self.ticket(for: id).changes == ticket.changes
  }

  // MARK: Writing

  /// Inserts a record read from a snapshot that began after ``ticket(for:)`` returned the ticket. Does
  /// nothing if somebody is writing the set: a record is not worth waiting for.
  package func insert(_ id: NodeID, _ record: Record, ticket: Ticket) {
    let set = set(id)
    guard let version = takeIfFree(set) else { return }
    // Whoever changes the node from now on waits for the set.
    if isCurrent(ticket, of: id) { put(id, record, in: set) }
    release(set, version)
  }

  /// Inserts the records of nodes that no earlier snapshot contains.
  package func insert(_ added: [(NodeID, Record)]) {
    for (id, record) in added {
      let set = set(id)
      writing(set) { put(id, record, in: set) }
    }
  }

  /// Updates the cached record of a node, or removes it if the node has none any more.
  package func replace(_ id: NodeID, _ record: Record?) {
    counts.increment(place(.changes, of: Self.shard(id)))
    let set = set(id)
    writing(set) {
      guard let way = way(id, in: set) else { return }
      if let record { write(id, record, set, way) } else { heads[head(set, way)] = 0 }
    }
  }

  /// Forgets all records.
  package func removeAll() {
    for shard in 0..<Self.shardCount { counts.increment(place(.changes, of: shard)) }
    // Whoever takes a set after it was looked at finds that its ticket is not current.
    atomicMemoryFence(ordering: .sequentiallyConsistent)
    for set in 0..<sets * Self.shardCount where !isEmpty(set) {
      writing(set) { for way in 0..<Self.ways { heads[head(set, way)] = 0 } }
    }
  }

  /// Whether a set has no record, and nobody writes it. To look at a page that was never written takes no
  /// memory.
  private func isEmpty(_ set: Int) -> Bool {
    heads.load(set * Self.headSize) & 1 == 0
      && (0..<Self.ways).allSatisfy { heads[head(set, $0)] == 0 }
  }

  private func put(_ id: NodeID, _ record: Record, in set: Int) {
    let place = place(.puts, of: Self.shard(id))
    let puts = counts[place]
    // If another thread counts at the same time, one is lost, which does not matter.
    counts[place] = puts &+ 1
    // A run uses the same place in its sets, so that the records of neighbours are adjacent.
    let next = Int(truncatingIfNeeded: puts / UInt64(Self.run)) & (Self.ways - 1)
    write(id, record, set, way(id, in: set) ?? next)
  }

  private func write(_ id: NodeID, _ record: Record, _ set: Int, _ way: Int) {
    heads[head(set, way)] = id.rawValue
    let first = self.record(set, way)
    for i in 0..<Self.recordSize { records[first + i] = record.words[i] }
  }

  /// Runs a body that writes a set, while no other thread writes it. A reader that sees any of what is
  /// written also sees the odd version, and one that sees the next even version sees all of it.
  @inline(__always)
  private func writing(_ set: Int, _ body: () -> Void) {
    var turns = 0
    while true {
      if let version = takeIfFree(set) {
        body()
        return release(set, version)
      }
      turns += 1
      Self.pause(turns)
    }
  }

  /// Makes the version of a set odd if it is even, and returns the even one.
  @inline(__always)
  private func takeIfFree(_ set: Int) -> UInt64? {
    let place = set * Self.headSize
    let version = heads[place]
    guard version & 1 == 0, heads.compareExchange(version, with: version | 1, at: place) else {
      return nil
    }
    atomicMemoryFence(ordering: .releasing)
    return version
  }

  @inline(__always)
  private func release(_ set: Int, _ version: UInt64) {
    heads.store(version &+ 2, at: set * Self.headSize)
  }

  /// A set is written in less time than it takes to find the record elsewhere, unless the thread that writes
  /// it does not get a processor. It may have a lower priority than this thread, so at last that sleeps.
  private static func pause(_ turns: Int) {
    if turns < 100 { SystemCalls.yield() } else { SystemCalls.sleep(microseconds: 50) }
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

  /// Whether what was read of a cache may be used.
  ///
  /// - Parameter end: ``validUntil`` as it was before. The process may have been stopped while it read, so
  ///   what counts is the time after that.
  package func isValid(until end: UInt64) -> Bool {
    end == .max || SystemCalls.sinceBoot < end
  }

  /// Until when the records may be used, in nanoseconds of `CLOCK_BOOTTIME`, which also counts while
  /// the machine is suspended. `UInt64.max`, as at the beginning, if nobody else changes the nodes.
  package var validUntil: UInt64 {
    get { end.load(ordering: .acquiring) }
    set { end.store(newValue, ordering: .releasing) }
  }

  /// How many times the cache had a node.
  package var hits: UInt64 {
    (0..<Self.shardCount).reduce(0) { $0 + counts[place(.hits, of: $1)] }
  }
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
