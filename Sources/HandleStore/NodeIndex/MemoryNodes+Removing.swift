extension MemoryNodes {
  package mutating func retire(_ id: NodeID, ifItIs file: Node?) throws -> Bool {
    guard let entry = entries[id] else { throw StoreError.unknownNode(id) }
    let record = entry.record
    guard record.state == .live,
      file.map({ $0.filesystem == record.filesystem && $0.handle == entry.handle }) ?? true
    else { return false }
    makeStale(id)
    return true
  }

  mutating func makeStale(_ id: NodeID) {
    loseKeys(id)
    entries[id]?.record.enter(.stale, at: Self.now)
    entries[id]?.furtherParents = []
    watches.enterLimbo(id)
  }

  mutating func loseKeys(_ id: NodeID) {
    for key in entries[id]?.keys ?? [] where index[key] == id { index[key] = nil }
  }

  package mutating func drop(_ dropping: Dropping) -> Int {
    let excess = count - dropping.leaving
    let now = Self.now
    var dropped = 0
    for id in dropping.ids where dropped < min(excess, dropping.limit) {
      guard let record = entries[id]?.record,
        dropping.allows(
          id, record, at: now, isWatched: { watches.isWatched(id) },
          hasAliases: { !(entries[id]?.aliasKeys.isEmpty ?? true) })
      else { continue }
      loseKeys(id)
      for key in entries[id]?.aliasKeys ?? [] { removeAlias(key) }
      entries[id] = nil
      dropped += 1
    }
    if ids.count > 2 * entries.count + 64 { ids.removeAll { entries[$0] == nil } }
    return dropped
  }
}

extension MemoryNodes {
  /// Adds a watch of a live node, or changes it.
  mutating func watch(_ watch: Watch) throws {
    guard let record = entries[watch.node]?.record else {
      throw StoreError.unknownNode(watch.node)
    }
    guard record.state == .live else { throw StoreError.stale(watch.node) }
    watches.put(watch)
  }
}
