internal import SystemPackage

/// The nodes of a ``MemoryNodeIndex``, and how they are found.
struct MemoryNodes {
  /// What the index finds a node by.
  enum Key: Hashable {
    case inode(FilesystemID, Inode)
    case opaque(FilesystemID, KernelFileHandle)
    /// The `st_ino` of a file with an opaque handle.
    case hint(FilesystemID, UInt64)

    init(_ handle: KernelFileHandle, on filesystem: FilesystemID, _ magic: FilesystemMagic) {
      self =
        handle.fileKey(on: magic).map { .inode(filesystem, Inode(key: $0)) }
        ?? .opaque(filesystem, handle)
    }
  }

  /// An inode of whatever generation.
  struct Inode: Hashable {
    let key: FileKey

    static func == (a: Inode, b: Inode) -> Bool { a.key.isOfSameInode(as: b.key) }

    func hash(into hasher: inout Hasher) {
      for i in 0..<key.count { hasher.combine(key.words[i]) }
    }
  }

  /// A file that is registered.
  struct File: Sendable {
    let candidate: FoundFile
    let filesystem: FilesystemID
    let key: Key
    /// What its handle names; `nil` if it is opaque.
    let file: FileKey?
    let magic: FilesystemMagic
    let survivors: Survivors
    let incarnation: UInt32

    /// The hint for an opaque handle.
    var hint: Key? { file == nil ? .hint(filesystem, candidate.status.inode) : nil }

    func registration(_ node: NodeID, _ outcome: Registration.Outcome) -> RegistrationAttempt {
      .done(Registration(node: node, generation: incarnation, outcome: outcome))
    }

    var isStale: RegistrationAttempt { .done(.stale(generation: incarnation)) }
  }

  private struct Entry {
    var record: Record
    var handle: KernelFileHandle
    /// The keys that the node has, or had.
    var keys: [Key]
    var furtherParents: Set<NodeID> = []
  }

  private let limboLimit: Int
  private var entries: [NodeID: Entry] = [:]
  /// The ids in ascending order, and some of nodes that were dropped.
  private var ids: [NodeID] = []
  private var index: [Key: NodeID] = [:]
  private var nextID = NodeID.first
  private var watchMasks: [NodeID: [WatcherID: WatchMask]] = [:]
  private var reported: Set<NodeID> = []
  private var unreported: Set<NodeID> = []
  private var hasOverflowed = false

  init(limboLimit: Int) { self.limboLimit = max(limboLimit, 0) }

  var count: Int { entries.count }
}

// MARK: Reading

extension MemoryNodes {
  func node(_ id: NodeID) -> Node? { entries[id].map { Self.node(id, $0) } }

  private static func node(_ id: NodeID, _ entry: Entry) -> Node {
    Node(id, entry.record) ?? Node(id, entry.record, spilled: entry.handle)
  }

  func node(of handle: KernelFileHandle, _ key: Key) -> Node? {
    guard let id = index[key], let entry = entries[id], isSameFile(handle, key, entry) else {
      return nil
    }
    guard entry.record.state == .alias, let target = entry.record.parent else {
      return Self.node(id, entry)
    }
    return node(target) ?? Self.node(id, entry)
  }

  /// Whether a handle names the file of the node that has its key.
  private func isSameFile(_ handle: KernelFileHandle, _ key: Key, _ entry: Entry) -> Bool {
    guard case .inode(_, let inode) = key, case .inode(_, let its)? = entry.keys.first else {
      return entry.handle == handle
    }
    return inode.key == its.key
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
  mutating func register(_ file: File) -> RegistrationAttempt {
    let named = index[file.key]
    let hinted = file.hint.flatMap { index[$0] }
    var gone: [NodeID] = []
    for old in [named, hinted == named ? nil : hinted].compactMap(\.self) {
      switch relation(of: file, to: old) {
      case .contested: return .contested(old)
      case .stale: return file.isStale
      case .same:
        if let node = own(old, file) { return file.registration(node, .existing) }
        gone.append(old)
      case .separate where old != named: break
      case .replaced, .separate: gone.append(old)
      }
    }
    let replaced = gone.last { entries[$0]?.record.state == .live }
    for old in gone { makeStale(old) }
    let id = mint(
      Record(
        handle: file.candidate.handle, filesystem: file.filesystem,
        type: file.candidate.status.type, parent: file.candidate.parent, since: Self.now),
      file.candidate.handle, keys: [file.key] + (file.hint.map { [$0] } ?? []))
    return file.registration(id, replaced.map { .replaced($0) } ?? .created)
  }

  private func relation(of file: File, to id: NodeID) -> FileRelation {
    guard let entry = entries[id] else { return .replaced }
    let candidate = file.candidate
    return FileRelation(
      of: FileRelation.File(
        handle: candidate.handle, key: file.file, type: candidate.status.type),
      to: FileRelation.File(
        handle: entry.handle, key: entry.handle.fileKey(on: file.magic), type: entry.record.type),
      survivor: file.survivors[candidate.handle, id])
  }

  /// Returns the node of a file whose key a node of that file has. For an alias, this is the node
  /// that it stands for, or `nil` if that is not live.
  private mutating func own(_ id: NodeID, _ file: File) -> NodeID? {
    guard let entry = entries[id], entry.record.state == .alias else {
      _ = recordParent(of: id, file.candidate)
      return id
    }
    return entry.record.parent.flatMap { entries[$0]?.record.state == .live ? $0 : nil }
  }

  mutating func recordParent(of id: NodeID, _ candidate: FoundFile) -> Bool {
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

  /// Adds a node, which gets these keys.
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

  mutating func move(_ id: NodeID, to file: File) throws -> RegistrationAttempt {
    guard let entry = entries[id] else { throw StoreError.unknownNode(id) }
    guard entry.record.state == .live else { throw StoreError.stale(id) }
    guard entry.record.type == file.candidate.status.type else { throw GateRefusal.fileType }
    if index[file.key] == id, relation(of: file, to: id) == .same {
      return file.registration(id, .existing)
    }
    var gone: [NodeID] = []
    for old in others(than: id, file) {
      switch relation(of: file, to: old) {
      case .contested: return .contested(old)
      case .stale: return file.isStale
      case .same, .replaced: gone.append(old)
      case .separate: break
      }
    }
    let replaced = gone.last { entries[$0]?.record.state == .live }
    var alias = entry.record
    alias.parent = id
    alias.enter(.alias, at: Self.now)
    _ = mint(alias, entry.handle, keys: entry.keys)
    for old in gone { makeStale(old) }
    var moved = entry
    moved.handle = file.candidate.handle
    moved.keys = [file.key] + (file.hint.map { [$0] } ?? [])
    moved.record = Record(
      handle: file.candidate.handle, filesystem: file.filesystem, type: entry.record.type,
      parent: entry.record.parent, since: Self.now)
    entries[id] = moved
    for key in moved.keys { index[key] = id }
    return file.registration(id, replaced.map { .replaced($0) } ?? .existing)
  }

  /// Returns the other nodes that have a file's key or hint. An alias of this node may have the
  /// hint.
  private func others(than id: NodeID, _ file: File) -> [NodeID] {
    var others: [NodeID] = []
    if let old = index[file.key], old != id { others.append(old) }
    if let hint = file.hint, let old = index[hint], old != id, !others.contains(old),
      let record = entries[old]?.record, record.state != .alias || record.parent != id
    {
      others.append(old)
    }
    return others
  }

  private static var now: UInt32 { SystemCalls.epochSeconds }
}

// MARK: Removing

extension MemoryNodes {
  mutating func retire(_ id: NodeID, ifItIs file: Node?) throws -> Bool {
    guard let entry = entries[id] else { throw StoreError.unknownNode(id) }
    let record = entry.record
    guard record.state == .live || file != nil && record.state == .alias,
      file.map({ $0.filesystem == record.filesystem && $0.handle == entry.handle }) ?? true
    else { return false }
    makeStale(id)
    return true
  }

  private mutating func makeStale(_ id: NodeID) {
    loseKeys(id)
    entries[id]?.record.enter(.stale, at: Self.now)
    entries[id]?.furtherParents = []
    enterLimbo(id)
  }

  private mutating func loseKeys(_ id: NodeID) {
    for key in entries[id]?.keys ?? [] where index[key] == id { index[key] = nil }
  }

  mutating func drop(_ dropping: Dropping) -> Int {
    let excess = count - dropping.keeping
    let now = Self.now
    var dropped = 0
    for id in dropping.ids where dropped < min(excess, dropping.limit) {
      guard let record = entries[id]?.record,
        dropping.allows(
          id, record, at: now, isWatched: { watchMasks[id] != nil },
          target: { entries[$0]?.record })
      else { continue }
      loseKeys(id)
      entries[id] = nil
      dropped += 1
    }
    if ids.count > 2 * entries.count + 64 { ids.removeAll { entries[$0] == nil } }
    return dropped
  }
}

// MARK: Watches

extension MemoryNodes {
  mutating func watch(_ watch: Watch) throws {
    guard let record = entries[watch.node]?.record, record.state != .alias else {
      throw StoreError.unknownNode(watch.node)
    }
    guard record.state == .live else { throw StoreError.stale(watch.node) }
    watchMasks[watch.node, default: [:]][watch.watcher] = watch.mask
  }

  mutating func unwatch(_ id: NodeID, by watcher: WatcherID) -> Bool {
    guard watchMasks[id]?.removeValue(forKey: watcher) != nil else { return false }
    if watchMasks[id]?.isEmpty ?? true {
      watchMasks[id] = nil
      reported.remove(id)
      unreported.remove(id)
    }
    return true
  }

  func watches(of id: NodeID) -> [Watch] {
    (watchMasks[id] ?? [:]).sorted { $0.key < $1.key }.map { Watch(id, $0.key, $0.value) }
  }

  func watchedNodes(from start: NodeID, limit: Int) -> WatchedNodePage {
    let all = watchMasks.keys.filter { $0 >= start }.sorted()
    let nodes = all.prefix(limit).map { id in
      WatchedNode(
        id: id, mask: watches(of: id).reduce(into: []) { $0.formUnion($1.mask) })
    }
    return WatchedNodePage(nodes: nodes, next: all.count > limit ? all[limit] : nil)
  }

  var limbo: [LimboNode] {
    reported.sorted().map { LimboNode(id: $0, isReported: true) }
      + unreported.sorted().map { LimboNode(id: $0, isReported: false) }
  }

  private mutating func enterLimbo(_ id: NodeID) {
    guard watchMasks[id] != nil else { return }
    unreported.insert(id)
    while reported.count + unreported.count > limboLimit {
      guard let first = reported.min() ?? unreported.min() else { return }
      watchMasks[first] = nil
      reported.remove(first)
      unreported.remove(first)
      hasOverflowed = true
    }
  }

  mutating func takeDeletions(limit: Int) -> Deletions {
    let nodes = Array(unreported.sorted().prefix(limit))
    unreported.subtract(nodes)
    reported.formUnion(nodes)
    defer { hasOverflowed = false }
    return Deletions(nodes: nodes, overflowed: hasOverflowed)
  }
}
