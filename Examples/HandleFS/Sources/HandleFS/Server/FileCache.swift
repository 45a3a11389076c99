internal import HandleStore
internal import HandleLocks

/// How a node's file is open in the server.
enum Access: UInt8, CaseIterable {
  /// With `O_PATH`.
  case path
  case reading
  case writing
}

/// A cache of the files that the server has open. It holds at most `capacity` files, whatever the
/// size of the tree.
///
/// A file has its place in one of several small sets, by its node. Each set evicts the least recently
/// used first (by the second-chance rule). A lock is for every sixteenth set, because many threads use the
/// cache for each request.
final class FileCache: Sendable {
  /// The places of a set.
  fileprivate static let setSize = 8
  private static let mostShards = 16

  private let sets: Int
  private let shards: [FileCacheShard]
  private let closing: BackgroundClosing

  var capacity: Int { sets * Self.setSize }

  /// - Parameter closing: closes what is evicted.
  init(capacity: Int, closing: BackgroundClosing) {
    self.closing = closing
    let sets = max(capacity / Self.setSize, 1)
    let shards = min(sets, Self.mostShards)
    self.sets = sets
    self.shards = (0..<shards).map { FileCacheShard(sets: (sets - $0 + shards - 1) / shards) }
  }

  /// Returns a node's file that is open for the first of some kinds of access for which there is one.
  func find(_ node: NodeID, _ accesses: Access...) -> BackingFile? {
    withSet(of: node) { state, set in
      for access in accesses {
        for place in set where state.places[place].has(node, access) {
          state.places[place].isUsed = true
          return state.places[place].file
        }
      }
      return nil
    }
  }

  /// Adds a file, unless the node already has one for this access. This may evict another file, which is
  /// closed at once: that takes less time than to have another thread do it, because it has a name nearly
  /// always.
  func insert(_ file: BackingFile, of node: NodeID, for access: Access) {
    let evicted: BackingFile? = withSet(of: node) { state, set in
      guard !set.contains(where: { state.places[$0].has(node, access) }) else {
        return nil
      }
      let place = set.first { state.places[$0].file == nil } ?? state.place(toEvictFrom: set)
      let evicted = state.remove(place)
      state.places[place] = Place(node: node, access: access, file: file)
      state.count += 1
      return evicted
    }
    withExtendedLifetime(evicted) {}
  }

  /// Evicts a node's files.
  func evict(_ node: NodeID) {
    let files = withSet(of: node) { state, set in
      set.filter { state.places[$0].node == node }.compactMap { state.remove($0) }
    }
    for file in files { closing.close(file) }
  }

  /// Closes a node's files for some kinds of access.
  func remove(_ node: NodeID, _ accesses: [Access] = Access.allCases) {
    let removed = withSet(of: node) { state, set in
      accesses.compactMap { access in
        set.first { state.places[$0].has(node, access) }.flatMap { state.remove($0) }
      }
    }
    withExtendedLifetime(removed) {}
  }

  /// Closes a quarter of the files, because descriptors have run out.
  func shrink() {
    let removed = shards.flatMap { shard in
      shard.state.withLock { state in
        let used = state.places.indices.filter { state.places[$0].file != nil }
        return used.prefix(used.count / 4 + 1).compactMap { state.remove($0) }
      }
    }
    withExtendedLifetime(removed) {}
    closing.closeAll()
  }

  /// Calls `body` for each file. It holds one file at a time, so that the loop itself keeps none
  /// open for long. A node may come several times, once for each kind of access.
  func forEach(_ body: (NodeID, BackingFile) -> Void) {
    for shard in shards {
      for index in 0..<shard.capacity {
        let place = shard.state.withLock { $0.places[index] }
        if let file = place.file { body(place.node, file) }
      }
    }
  }

  var count: Int { shards.reduce(0) { $0 + $1.state.withLock { $0.count } } }

  /// Calls `body` with the places of a node's set, under their lock.
  private func withSet<R>(
    of node: NodeID, _ body: (inout sending FileCacheShard.State, Range<Int>) -> sending R
  ) -> R {
    let set = Int(node.rawValue % UInt64(sets))
    let first = set / shards.count * Self.setSize
    return shards[set % shards.count].state.withLock { body(&$0, first..<first + Self.setSize) }
  }
}

/// The sets of a ``FileCache`` that have one lock.
private final class FileCacheShard: Sendable {
  struct State {
    var places: [Place]
    var count = 0
    var hand = 0
  }

  let capacity: Int
  let state: Locked<State>

  init(sets: Int) {
    capacity = sets * FileCache.setSize
    state = Locked(State(places: Array(repeating: Place(), count: capacity)))
  }
}

private struct Place {
  var node = NodeID.root
  var access = Access.path
  var file: BackingFile?
  var isUsed = false

  func has(_ node: NodeID, _ access: Access) -> Bool {
    self.node == node && self.access == access && file != nil
  }
}

extension FileCacheShard.State {
  /// Returns the place of the first file of a full set after the hand that was not used since the hand last
  /// passed it.
  fileprivate mutating func place(toEvictFrom set: Range<Int>) -> Int {
    while true {
      hand = (hand + 1) % set.count
      let place = set.lowerBound + hand
      guard places[place].isUsed else { return place }
      places[place].isUsed = false
    }
  }

  fileprivate mutating func remove(_ place: Int) -> BackingFile? {
    defer { places[place].file = nil }
    if places[place].file != nil { count -= 1 }
    return places[place].file
  }
}
