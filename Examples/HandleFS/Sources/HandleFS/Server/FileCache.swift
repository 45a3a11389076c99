internal import HandleStore
internal import Synchronization

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
/// used first (by the second-chance rule).
final class FileCache: Sendable {
  /// The places of a set.
  private static let setSize = 8

  fileprivate struct Place {
    var node = NodeID.root
    var access = Access.path
    var file: BackingFile?
    var isUsed = false
  }

  fileprivate struct State {
    var places: [Place]
    var count = 0
    var hand = 0
    var evicted: [BackingFile] = []
  }

  private let sets: Int
  private let state: Mutex<State>

  var capacity: Int { sets * Self.setSize }

  init(capacity: Int) {
    sets = max(capacity / Self.setSize, 1)
    state = Mutex(State(places: Array(repeating: Place(), count: sets * Self.setSize)))
  }

  /// Returns a node's file that is open for the first of some kinds of access for which there is one.
  func find(_ node: NodeID, _ accesses: Access...) -> BackingFile? {
    let set = set(of: node)
    return state.withLock { state in
      for access in accesses {
        for place in set where state.places[place].has(node, access) {
          state.places[place].isUsed = true
          return state.places[place].file
        }
      }
      return nil
    }
  }

  /// Adds a file, unless the node already has one for this access. This may evict another file. It is
  /// closed at once if it is open for writing: until then nobody could execute it.
  func insert(_ file: BackingFile, of node: NodeID, for access: Access) {
    let set = set(of: node)
    let closed: BackingFile? = state.withLock { state in
      guard !set.contains(where: { state.places[$0].has(node, access) }) else { return nil }
      let place = set.first { state.places[$0].file == nil } ?? state.place(toEvictFrom: set)
      let isWritten = state.places[place].access == .writing
      let evicted = state.remove(place)
      state.places[place] = Place(node: node, access: access, file: file)
      state.count += 1
      guard let evicted, !isWritten else { return evicted }
      state.evicted.append(evicted)
      return nil
    }
    withExtendedLifetime(closed) {}
  }

  /// Closes the files that were evicted, if there are so many. It takes time, above all if a file has
  /// lost its last name, so nobody should wait for it.
  func closeEvicted(ifAtLeast count: Int) {
    let evicted = state.withLock { state in
      state.evicted.count < count ? [] : state.takeEvicted()
    }
    withExtendedLifetime(evicted) {}
  }

  /// Whether there are evicted files that are still open.
  var hasEvicted: Bool { state.withLock { !$0.evicted.isEmpty } }

  /// Has a file that is not in the cache closed like an evicted one.
  func closeLater(_ file: BackingFile) { state.withLock { $0.evicted.append(file) } }

  /// Evicts a node's files.
  func evict(_ node: NodeID) {
    let set = set(of: node)
    state.withLock { state in
      for place in set where state.places[place].node == node {
        if let file = state.remove(place) { state.evicted.append(file) }
      }
    }
  }

  /// Closes a node's files for some kinds of access.
  func remove(_ node: NodeID, _ accesses: [Access] = Access.allCases) {
    let set = set(of: node)
    let removed = state.withLock { state in
      accesses.compactMap { access in
        set.first { state.places[$0].has(node, access) }.flatMap { state.remove($0) }
      }
    }
    withExtendedLifetime(removed) {}
  }

  /// Closes a quarter of the files, because descriptors have run out.
  func shrink() {
    let removed = state.withLock { state in
      let used = state.places.indices.filter { state.places[$0].file != nil }
      return used.prefix(used.count / 4 + 1).compactMap { state.remove($0) } + state.takeEvicted()
    }
    withExtendedLifetime(removed) {}
  }

  /// Calls `body` for each file. It holds one file at a time, so that the loop itself keeps none
  /// open for long. A node may come several times, once for each kind of access.
  func forEach(_ body: (NodeID, BackingFile) -> Void) {
    for index in 0..<capacity {
      let place = state.withLock { $0.places[index] }
      if let file = place.file { body(place.node, file) }
    }
  }

  var count: Int { state.withLock { $0.count } }

  private func set(of node: NodeID) -> Range<Int> {
    let first = Int(node.rawValue % UInt64(sets)) * Self.setSize
    return first..<first + Self.setSize
  }
}

extension FileCache.Place {
  fileprivate func has(_ node: NodeID, _ access: Access) -> Bool {
    self.node == node && self.access == access && file != nil
  }
}

extension FileCache.State {
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

  fileprivate mutating func takeEvicted() -> [BackingFile] {
    defer { evicted = [] }
    return evicted
  }
}
