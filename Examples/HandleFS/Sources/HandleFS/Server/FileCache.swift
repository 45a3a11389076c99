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
/// size of the tree, and closes the least recently used first (by the second-chance rule).
final class FileCache: Sendable {
  fileprivate struct Key: Hashable {
    var node: NodeID
    var access: Access
  }

  fileprivate struct Place {
    var key: Key
    var file: BackingFile?
    var isUsed = false
  }

  fileprivate struct State {
    var places: [Place] = []
    var byKey: [Key: Int] = [:]
    var free: [Int] = []
    var hand = 0
  }

  let capacity: Int
  private let state = Mutex(State())

  init(capacity: Int) { self.capacity = max(capacity, 8) }

  func find(_ node: NodeID, _ access: Access) -> BackingFile? {
    state.withLock { state in
      guard let place = state.byKey[Key(node: node, access: access)] else { return nil }
      state.places[place].isUsed = true
      return state.places[place].file
    }
  }

  /// Adds a file, unless the node already has one for this access. If that evicts another file, it
  /// is closed outside of the lock.
  func insert(_ file: BackingFile, of node: NodeID, for access: Access) {
    let key = Key(node: node, access: access)
    let old = state.withLock { state -> BackingFile? in
      guard state.byKey[key] == nil else { return nil }
      let (place, old) = state.makePlace(capacity)
      state.places[place] = Place(key: key, file: file)
      state.byKey[key] = place
      return old
    }
    withExtendedLifetime(old) {}
  }

  /// Closes a node's files for some kinds of access.
  func remove(_ node: NodeID, _ accesses: [Access] = Access.allCases) {
    let old = state.withLock { state in
      accesses.compactMap { state.remove(Key(node: node, access: $0)) }
    }
    withExtendedLifetime(old) {}
  }

  /// Closes a quarter of the files, because descriptors have run out.
  func shrink() {
    let old = state.withLock { state -> [BackingFile] in
      (0..<state.byKey.count / 4 + 1).compactMap { _ in state.evict() }
    }
    withExtendedLifetime(old) {}
  }

  /// Calls `body` for each file. It holds one file at a time, so that the loop itself keeps none
  /// open for long. A node may come several times, once for each kind of access.
  func forEach(_ body: (NodeID, BackingFile) -> Void) {
    for place in 0..<capacity {
      let found = state.withLock { state in
        place < state.places.count ? state.places[place] : nil
      }
      if let found, let file = found.file { body(found.key.node, file) }
    }
  }

  var count: Int { state.withLock { $0.byKey.count } }
}

extension FileCache.State {
  /// Finds a place for a new file; returns it with the file that was evicted from it, if any.
  fileprivate mutating func makePlace(_ capacity: Int) -> (Int, BackingFile?) {
    if let place = free.popLast() { return (place, nil) }
    if places.count < capacity {
      places.append(.init(key: .init(node: .root, access: .path)))
      return (places.count - 1, nil)
    }
    let old = evict()
    return (free.removeLast(), old)
  }

  /// Evicts the first file after the hand that was not used since the hand last passed it.
  fileprivate mutating func evict() -> BackingFile? {
    guard !byKey.isEmpty else { return nil }
    while true {
      hand = (hand + 1) % places.count
      guard places[hand].file != nil else { continue }
      guard places[hand].isUsed else { return remove(places[hand].key) }
      places[hand].isUsed = false
    }
  }

  fileprivate mutating func remove(_ key: FileCache.Key) -> BackingFile? {
    guard let place = byKey.removeValue(forKey: key) else { return nil }
    free.append(place)
    defer { places[place].file = nil }
    return places[place].file
  }
}
