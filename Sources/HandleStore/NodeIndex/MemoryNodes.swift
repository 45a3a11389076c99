internal import SystemPackage

/// The nodes of a ``MemoryNodeIndex``, and how they are found.
package struct MemoryNodes {
  /// What the index finds a node by.
  package enum Key: Hashable {
    case inode(FilesystemID, Inode)
    case opaque(FilesystemID, KernelFileHandle)
    /// The `st_ino` of a file with an opaque handle.
    case hint(FilesystemID, UInt64)

    package init(_ handle: KernelFileHandle, on filesystem: FilesystemID, _ magic: FilesystemMagic)
    {
      self =
        handle.fileKey(on: magic).map { .inode(filesystem, Inode(key: $0)) }
        ?? .opaque(filesystem, handle)
    }
  }

  /// An inode, whatever its generation: keys that differ only in the generation are equal.
  package struct Inode: Hashable {
    let key: FileKey

    /// What names the inode within its filesystem.
    package var words: [UInt64] { (0..<key.count).map { key.words[$0] } }

    package static func == (a: Inode, b: Inode) -> Bool { a.key.isOfSameInode(as: b.key) }

    package func hash(into hasher: inout Hasher) {
      for i in 0..<key.count { hasher.combine(key.words[i]) }
    }
  }

  /// A file to register.
  package struct File: Sendable {
    package let candidate: FoundFile
    package let filesystem: FilesystemID
    package let key: Key
    /// What its handle names; `nil` if it is opaque.
    package let file: FileKey?
    package let magic: FilesystemMagic
    let filesystems: KnownFilesystems
    let survivors: Survivors
    let incarnation: UInt32

    /// - Throws: ``StoreError/unknownFilesystem(_:)``.
    package init(
      _ candidate: FoundFile, on filesystem: FilesystemID, of filesystems: KnownFilesystems,
      _ survivors: Survivors, incarnation: UInt32
    ) throws {
      magic = try filesystems.magic(filesystem)
      (self.candidate, self.filesystem, self.filesystems) = (candidate, filesystem, filesystems)
      (self.survivors, self.incarnation) = (survivors, incarnation)
      file = candidate.handle.fileKey(on: magic)
      key = Key(candidate.handle, on: filesystem, magic)
    }

    /// What it says of its filesystem, given what was known before (``KnownFilesystem/note(_:)``);
    /// `nil` if that is nothing new.
    package func note(
      _ attempt: RegistrationAttempt, in known: KnownFilesystem?
    ) -> KnownFilesystem? {
      guard magic == .btrfs, case .done(let done) = attempt, done.outcome != .stale,
        var known, known.note(file)
      else { return nil }
      return known
    }

    /// The hint for an opaque handle.
    package var hint: Key? { file == nil ? .hint(filesystem, candidate.status.inode) : nil }

    func registration(_ node: NodeID, _ outcome: Registration.Outcome) -> RegistrationAttempt {
      .done(Registration(node: node, generation: incarnation, outcome: outcome))
    }

    /// The result if the file is gone.
    var staleResult: RegistrationAttempt { .done(.stale(generation: incarnation)) }
  }

  /// A node.
  package struct Entry: Sendable {
    package var record: Record
    package var handle: KernelFileHandle
    /// The keys that the node has, or had.
    package var keys: [Key]
    package var aliasKeys: [Key] = []
    package var furtherParents: Set<NodeID> = []

    package init(record: Record, handle: KernelFileHandle, keys: [Key]) {
      (self.record, self.handle, self.keys) = (record, handle, keys)
    }
  }

  /// The node or alias that has a key.
  private struct Holder {
    let node: NodeID
    let isAlias: Bool
    let file: FileRelation.File

    /// The node, if it has the key itself.
    var liveNode: NodeID? { isAlias ? nil : node }
  }

  package var watches: MemoryWatches
  package var entries: [NodeID: Entry] = [:]
  /// The ids in ascending order. Ids of dropped nodes are removed later.
  private var ids: [NodeID] = []
  package var index: [Key: NodeID] = [:]
  /// The aliases by their keys. No key is both here and in ``index``.
  package var aliases: [Key: Alias] = [:]
  private var nextID = NodeID.first

  init(limboLimit: Int) { watches = MemoryWatches(limboLimit: limboLimit) }

  /// Makes room for a part of the nodes of an engine that keeps them elsewhere, to decide a change of
  /// this part. It has no watches.
  ///
  /// - Parameter next: the id that the next node gets.
  package init(next: NodeID) {
    watches = MemoryWatches(limboLimit: 0)
    nextID = next
  }

  var count: Int { entries.count }
}

// MARK: Reading

extension MemoryNodes {
  func node(_ id: NodeID) -> Node? { entries[id].map { Self.node(id, $0) } }

  private static func node(_ id: NodeID, _ entry: Entry) -> Node {
    Node(id, entry.record) ?? Node(id, entry.record, spilled: entry.handle)
  }

  package func node(of handle: KernelFileHandle, on magic: FilesystemMagic, _ key: Key) -> Node? {
    guard let holder = holder(of: key, on: magic),
      holder.file.isNamed(by: handle, handle.fileKey(on: magic))
    else { return nil }
    return node(holder.node)
  }

  private func holder(of key: Key, on magic: FilesystemMagic) -> Holder? {
    if let alias = aliases[key] {
      return Holder(
        node: alias.node, isAlias: true,
        file: FileRelation.File(
          handle: alias.handle, key: alias.handle.fileKey(on: magic), type: alias.type))
    }
    guard let id = index[key], let entry = entries[id] else { return nil }
    return Holder(
      node: id, isAlias: false,
      file: FileRelation.File(
        handle: entry.handle, key: entry.handle.fileKey(on: magic), type: entry.record.type))
  }

  func aliases(from start: NodeID, nodes limit: Int) -> AliasPage {
    let all = ids[ids.lowerBound(of: start)...].filter { !(entries[$0]?.aliasKeys.isEmpty ?? true) }
    let found = all.prefix(limit).flatMap { entries[$0]?.aliasKeys ?? [] }
    return AliasPage(
      aliases: found.compactMap { aliases[$0] }, next: all.count > limit ? all[limit] : nil)
  }

  func nodes(
    from start: NodeID, limit: Int, on filesystem: FilesystemID?, in state: NodeState?
  ) -> NodePage {
    let most = limit.multipliedReportingOverflow(by: 16)
    var found: [Node] = []
    var looked = 0
    for id in ids[ids.lowerBound(of: start)...] {
      guard let entry = entries[id] else { continue }
      if found.count == limit || looked == (most.overflow ? .max : most.partialValue) {
        return NodePage(nodes: found, next: id)
      }
      looked += 1
      if filesystem ?? entry.record.filesystem == entry.record.filesystem
        && state ?? entry.record.state == entry.record.state
      {
        found.append(Self.node(id, entry))
      }
    }
    return NodePage(nodes: found, next: nil)
  }

  func furtherParents(of id: NodeID) -> [NodeID] {
    entries[id].map { $0.furtherParents.sorted() } ?? []
  }
}

extension [NodeID] {
  /// Returns the index of the first id that is not below `id`.
  fileprivate func lowerBound(of id: NodeID) -> Int {
    var range = 0..<count
    while !range.isEmpty {
      let middle = range.lowerBound + range.count / 2
      range = self[middle] < id ? middle + 1..<range.upperBound : range.lowerBound..<middle
    }
    return range.lowerBound
  }
}

// MARK: Registering

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

  private func relation(of file: File, to holder: Holder) -> FileRelation {
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
  private mutating func displace(_ holder: Holder, _ key: Key) {
    if holder.isAlias { removeAlias(key) } else { makeStale(holder.node) }
  }

  private mutating func removeAlias(_ key: Key) {
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

  private static var now: UInt32 { SystemCalls.epochSeconds }
}

// MARK: Removing

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

  private mutating func makeStale(_ id: NodeID) {
    loseKeys(id)
    entries[id]?.record.enter(.stale, at: Self.now)
    entries[id]?.furtherParents = []
    watches.enterLimbo(id)
  }

  private mutating func loseKeys(_ id: NodeID) {
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

// MARK: Watches

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
