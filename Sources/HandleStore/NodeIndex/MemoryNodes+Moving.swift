extension MemoryNodes {
  package mutating func move(_ id: NodeID, to file: File) throws -> RegistrationAttempt {
    guard let entry = entries[id] else { throw StoreError.unknownNode(id) }
    guard entry.record.state == .live else { throw StoreError.stale(id) }
    guard entry.record.type == file.candidate.status.type else {
      throw StoreError.otherType(than: id)
    }
    let named = holder(of: file.key, on: file.magic)
    if let named, named.liveNode == id, relation(of: file, to: named) == .same {
      return file.registration(id, .existing)
    }
    var gone: [Holder] = []
    for holder in holders(of: file, except: id) {
      switch relation(of: file, to: holder) {
      case .contested: return .contested(holder.file)
      case .stale: return file.staleResult
      case .same, .replaced: gone.append(holder)
      case .separate: break
      }
    }
    for holder in gone { displace(holder, file.key) }
    give(file, to: id)
    let replaced = gone.last { $0.liveNode != nil }?.node
    return file.registration(id, replaced.map { .replaced($0) } ?? .existing)
  }

  /// Gives a live node another file. Its present key becomes that of an alias, unless the new file
  /// has the same key.
  private mutating func give(_ file: File, to id: NodeID) {
    guard var entry = entries[id], let key = entry.keys.first else { return }
    loseKeys(id)
    if key != file.key {
      aliases[key] = Alias(
        node: id, filesystem: entry.record.filesystem, handle: entry.handle,
        type: entry.record.type, since: Self.now)
      entry.aliasKeys.append(key)
    }
    entry.aliasKeys = entry.aliasKeys.filter { aliases[$0]?.node == id }
    entry.handle = file.candidate.handle
    entry.keys = [file.key] + (file.hint.map { [$0] } ?? [])
    entry.record = Record(
      handle: file.candidate.handle, filesystem: file.filesystem, type: entry.record.type,
      parent: file.candidate.parent ?? entry.record.parent, since: Self.now)
    entries[id] = entry
    for key in entry.keys { index[key] = id }
  }

  /// Returns the holders of a file's key and hint, except the node `id`.
  private func holders(of file: File, except id: NodeID) -> [Holder] {
    let named = holder(of: file.key, on: file.magic)
    var others = [named].compactMap(\.self).filter { $0.liveNode != id }
    if let hinted = file.hint.flatMap({ holder(of: $0, on: file.magic) }),
      hinted.node != id, hinted.node != named?.node
    {
      others.append(hinted)
    }
    return others
  }
}
