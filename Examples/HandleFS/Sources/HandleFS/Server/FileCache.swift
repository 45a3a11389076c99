internal import HandleStore
internal import Synchronization

/// How a node's file is open in the server.
enum Access: UInt8, CaseIterable {
  /// As a path (`O_PATH`).
  case path
  case reading
  case writing
}

/// The files that the server has open, at most so many of them, whatever the size of the tree: those
/// used least lately are closed first (by the second-chance rule).
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

  /// Keeps a file, unless the node has one already; the one that is closed for it is closed outside
  /// of the lock.
  func insert(_ file: BackingFile, _ node: NodeID, _ access: Access) {
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

  /// Closes a node's files, of some ways of access.
  func remove(_ node: NodeID, _ accesses: [Access] = Access.allCases) {
    let old = state.withLock { state in
      accesses.compactMap { state.remove(Key(node: node, access: $0)) }
    }
    withExtendedLifetime(old) {}
  }

  /// Closes a quarter of them, where descriptors have run out.
  func shrink() {
    let old = state.withLock { state -> [BackingFile] in
      (0..<state.byKey.count / 4 + 1).compactMap { _ in state.evict() }
    }
    withExtendedLifetime(old) {}
  }

  /// Goes through all of them, one at a time, so that none stays open for this; a node may be there in
  /// several ways.
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
  /// A place to put a file in, and what was there.
  fileprivate mutating func makePlace(_ capacity: Int) -> (Int, BackingFile?) {
    if let place = free.popLast() { return (place, nil) }
    if places.count < capacity {
      places.append(.init(key: .init(node: .root, access: .path)))
      return (places.count - 1, nil)
    }
    let old = evict()
    return (free.removeLast(), old)
  }

  /// Takes out the first file from the hand on that was not used since the hand came by last.
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
