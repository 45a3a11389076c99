internal import SystemPackage

extension MemoryNodes {
  package mutating func register(_ file: File) -> RegistrationAttempt {
    let named = holder(of: file.key, on: file.magic)
    let hinted = file.hint.flatMap { holder(of: $0, on: file.magic) }
    var gone: [Holder] = []
    for holder in [named, hinted?.node == named?.node ? nil : hinted].compactMap(\.self) {
      switch relation(of: file, to: holder) {
      case .contested: return .contested(holder.file)
      case .stale: return file.staleResult
      case .same:
        if let node = reuseNode(of: holder, for: file) { return file.registration(node, .existing) }
        gone.append(holder)
      case .separate where holder.node != named?.node: break
      case .replaced, .separate: gone.append(holder)
      }
    }
    for holder in gone { displace(holder, file.key) }
    let id = mint(
      Record(
        handle: file.candidate.handle, filesystem: file.filesystem,
        type: file.candidate.status.type, parent: file.candidate.parent, since: Self.now),
      file.candidate.handle, keys: [file.key] + (file.hint.map { [$0] } ?? []))
    let replaced = gone.last { $0.liveNode != nil }?.node
    return file.registration(id, replaced.map { .replaced($0) } ?? .created)
  }

  func relation(of file: File, to holder: Holder) -> FileRelation {
    let candidate = file.candidate
    return FileRelation(
      of: FileRelation.File(
        handle: candidate.handle, key: file.file, type: candidate.status.type),
      to: holder.file, survivor: file.survivors[candidate.handle, holder.file.handle])
  }

  /// Returns the node of a file that the holder of its key already has, and records the file's
  /// parent. Returns `nil` if the holder is an alias of a node that is stale or on a filesystem that
  /// was put back.
  private mutating func reuseNode(of holder: Holder, for file: File) -> NodeID? {
    guard holder.isAlias else {
      _ = recordParent(of: holder.node, file.candidate)
      return holder.node
    }
    guard let record = entries[holder.node]?.record, record.state == .live,
      !file.filesystems.isSuperseded(record.filesystem)
    else { return nil }
    return holder.node
  }

  /// Makes a node that has a key stale, or removes the alias that has it.
  mutating func displace(_ holder: Holder, _ key: Key) {
    if holder.isAlias { removeAlias(key) } else { makeStale(holder.node) }
  }

  mutating func removeAlias(_ key: Key) {
    guard let alias = aliases.removeValue(forKey: key) else { return }
    entries[alias.node]?.aliasKeys.removeAll { $0 == key }
  }

  /// Removes an alias, if its node has it.
  package mutating func remove(_ alias: Alias, _ key: Key) -> Bool {
    guard aliases[key] == alias else { return false }
    removeAlias(key)
    return true
  }

  package mutating func recordParent(of id: NodeID, _ candidate: FoundFile) -> Bool {
    guard var entry = entries[id], entry.record.state == .live else { return false }
    if candidate.moves(entry.record) {
      entry.record.parent = candidate.parent
      if candidate.status.links <= 1 { entry.furtherParents = [] }
    } else if candidate.hasFurtherParent(entry.record), let parent = candidate.parent {
      entry.furtherParents.insert(parent)
    }
    entries[id] = entry
    return true
  }

  /// Adds a node with these keys.
  private mutating func mint(
    _ record: Record, _ handle: KernelFileHandle, keys: [Key]
  ) -> NodeID {
    let id = nextID
    nextID = NodeID(rawValue: id.rawValue + 1)
    entries[id] = Entry(record: record, handle: handle, keys: keys)
    ids.append(id)
    for key in keys { index[key] = id }
    return id
  }

  static var now: UInt32 { SystemCalls.epochSeconds }
}
