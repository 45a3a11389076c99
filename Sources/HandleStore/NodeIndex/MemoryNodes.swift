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
  struct Holder {
    let node: NodeID
    let isAlias: Bool
    let file: FileRelation.File

    /// The node, if it has the key itself.
    var liveNode: NodeID? { isAlias ? nil : node }
  }

  package var watches: MemoryWatches
  package var entries: [NodeID: Entry] = [:]
  /// The ids in ascending order. Ids of dropped nodes are removed later.
  var ids: [NodeID] = []
  package var index: [Key: NodeID] = [:]
  /// The aliases by their keys. No key is both here and in ``index``.
  package var aliases: [Key: Alias] = [:]
  var nextID = NodeID.first

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

  func holder(of key: Key, on magic: FilesystemMagic) -> Holder? {
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
