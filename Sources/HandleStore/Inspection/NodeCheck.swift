internal import SystemPackage

/// The part of a check that visits each node, and looks up what the other tables hold for it.
struct NodeCheck {
  private let file: PageFile
  private let findings: FindingList
  private let idBound: UInt64?
  private let filesystems: [FilesystemID: FilesystemMagic]
  private let filesystemsAreWhole: Bool
  private let tables: TableTrees
  private let lookup: TreeLookup

  private(set) var live = 0
  private(set) var stale = 0
  /// Whether every node's record could be read, and the handle and filesystem of every live node.
  private(set) var allIntact = true
  /// The number of rows in the spill table that belong to a node that was read.
  private(set) var spilledFound = 0
  /// The number of index entries that belong to a live node or an alias that was read.
  private(set) var indexedFound = 0

  init(
    _ check: StoreCheck, of tables: TableTrees, filesystems: [FilesystemID: FilesystemMagic],
    filesystemsAreWhole: Bool
  ) {
    file = check.file
    findings = check.findings
    idBound = check.state?.idBound
    self.filesystems = filesystems
    self.filesystemsAreWhole = filesystemsAreWhole
    self.tables = tables
    lookup = TreeLookup(check.file, lastPage: check.meta?.lastPage ?? 1)
  }

  /// Checks an entry of the table `nodes`.
  mutating func check(_ entry: LeafEntry) {
    let id = NodeID(rawValue: entry.number)
    checkID(id, entry.page.number)
    guard let record = record(entry, id) else {
      allIntact = false
      return findings.add(
        .record, page: entry.page.number, node: id,
        "the record of node \(id) on page \(entry.page.number) is not intact")
    }
    count(record)
    let magic = magic(of: record, id)
    let handle = handle(of: record, id)
    guard record.state == .live else { return }
    guard let magic, let handle else { return allIntact = false }
    checkIndex(
      IndexKey(handle, on: record.filesystem, magic), of: id, on: record.filesystem)
  }

  private mutating func count(_ record: Record) {
    switch record.state {
    case .live: live += 1
    case .stale, nil: stale += 1
    }
  }

  private func checkID(_ id: NodeID, _ page: Int) {
    guard id >= .first && id.rawValue < idBound ?? .max else {
      return findings.add(
        .nodeID, page: page, node: id,
        "node \(id) on page \(page) has an id that was never handed out, according to `state`")
    }
  }

  private func record(_ entry: LeafEntry, _ id: NodeID) -> Record? {
    (try? file.value(of: entry, limit: Record.size)).flatMap { Record($0, for: id) }
  }

  /// Returns the kind of a node's filesystem, or `nil` if it is unknown. A stale node may be on no
  /// filesystem: a repair that found its filesystem's row lost leaves filesystem 0.
  private func magic(of record: Record, _ id: NodeID) -> FilesystemMagic? {
    if let magic = filesystems[record.filesystem] { return magic }
    let isNone = record.state == .stale && record.filesystem.rawValue == 0
    if filesystemsAreWhole && !isNone {
      findings.add(
        .filesystem, node: id,
        "node \(id) is on filesystem \(record.filesystem), which has no record")
    }
    return nil
  }

  // MARK: Spilled handles

  private mutating func handle(of record: Record, _ id: NodeID) -> KernelFileHandle? {
    if let handle = record.inlineHandle { return handle }
    switch find(id, in: .spill) {
    case .found(let entry):
      spilledFound += 1
      return handle(of: record, id, entry)
    case .absent: findings.add(.spill, node: id, "the spilled handle of node \(id) is missing")
    case .unreadable: break
    }
    return nil
  }

  private func handle(of record: Record, _ id: NodeID, _ entry: LeafEntry) -> KernelFileHandle? {
    let bytes = try? file.value(of: entry, limit: SpilledHandle.maximumSize)
    guard let spilled = bytes.flatMap({ SpilledHandle($0, for: id) }) else { return nil }
    guard spilled.length == record.handleLength else {
      findings.add(
        .spill, page: entry.page.number, node: id,
        "the spilled handle of node \(id) has \(spilled.length) bytes, but its record says "
          + "\(record.handleLength)")
      return nil
    }
    return spilled.handle(type: record.handleType, size: spilled.size, for: id)
  }

  /// Checks that an entry of the table `spill` belongs to a node with a spilled handle.
  func checkOwner(ofSpilled entry: LeafEntry) {
    let id = NodeID(rawValue: entry.number)
    if let record = node(id), record.isSpilled { return }
    findings.add(
      .spill, page: entry.page.number, node: id,
      "page \(entry.page.number) has a spilled handle for node \(id), which has none")
  }

  // MARK: Aliases

  /// Checks an entry of the table `aliases`: it must be intact, and the index must have it under its
  /// key. Call this when all nodes were checked.
  mutating func check(alias entry: LeafEntry) {
    let page = entry.page.number
    guard let alias = AliasRow.alias(entry, in: file) else {
      allIntact = false
      return findings.add(
        .index, page: page, "a row of the table `aliases` on page \(page) is not intact")
    }
    let id = alias.node
    switch find(id, in: .nodes) {
    case .unreadable: allIntact = false
    case .absent:
      findings.add(
        .index, page: page, node: id,
        "page \(page) has an alias of node \(id), which does not exist")
    case .found: checkKey(of: alias, page)
    }
  }

  private mutating func checkKey(of alias: Alias, _ page: Int) {
    guard let magic = filesystems[alias.filesystem], let inodes = tables[.inodes] else {
      if filesystemsAreWhole && filesystems[alias.filesystem] == nil {
        findings.add(
          .filesystem, page: page, node: alias.node,
          "node \(alias.node) has an alias on filesystem \(alias.filesystem), which has no record")
      }
      return allIntact = false
    }
    let key = IndexKey(alias.handle, on: alias.filesystem, magic)
    switch lookup.find(key.bytes, in: inodes, .bytes) {
    case .unreadable: allIntact = false
    case .found(let entry) where value(entry)?.isAlias(of: alias.node) ?? false: indexedFound += 1
    case .found, .absent:
      findings.add(
        .index, page: page, node: alias.node,
        "the index does not have the alias of node \(alias.node) on page \(page)")
    }
  }

  private func value(_ entry: LeafEntry) -> IndexValue? {
    (try? file.value(of: entry, limit: 16)).flatMap { IndexValue($0) }
  }

  // MARK: Index

  /// Checks that the index has a live node under each of its keys.
  private mutating func checkIndex(
    _ key: IndexKey, of id: NodeID, on filesystem: FilesystemID
  ) {
    guard let value = indexed(key, id, size: key.isOpaque ? 16 : 8), key.isOpaque else { return }
    countHint(value.inode, of: id, on: filesystem)
  }

  /// Counts the row under an opaque handle's `st_ino`, if it names the node. The row may instead
  /// name another file with the same `st_ino`, or be missing because that file's node was retired.
  private mutating func countHint(_ inode: UInt64, of id: NodeID, on filesystem: FilesystemID) {
    let key = IndexKey(hint: inode, on: filesystem)
    guard let inodes = tables[.inodes],
      case .found(let entry) = lookup.find(key.bytes, in: inodes, .bytes),
      let bytes = try? file.value(of: entry, limit: 16), bytes.count == 8,
      IndexValue(bytes)?.node == id
    else { return }
    indexedFound += 1
  }

  /// Returns what the index has under a key of a node, or `nil` if that is wrong or cannot be read.
  private mutating func indexed(_ key: IndexKey, _ id: NodeID, size: Int) -> IndexValue? {
    guard let inodes = tables[.inodes] else { return nil }
    switch lookup.find(key.bytes, in: inodes, .bytes) {
    case .unreadable: return nil
    case .absent:
      findings.add(.index, node: id, "node \(id) is live but has no entry in the index")
    case .found(let entry):
      let bytes = try? file.value(of: entry, limit: 16)
      if let bytes, bytes.count == size, let value = IndexValue(bytes), value.node == id,
        !value.isAlias
      {
        indexedFound += 1
        return value
      }
      let other = bytes.flatMap { IndexValue($0) }.map { "node \($0.node)" } ?? "no node"
      findings.add(
        .index, page: entry.page.number, node: id,
        "node \(id) is live, but the index has \(other) in its place on page \(entry.page.number)")
    }
    return nil
  }

  /// Checks that an entry of the index belongs to a live node, and stands under a key of that node.
  func checkTarget(ofIndex entry: LeafEntry) {
    let page = entry.page.number
    guard let value = value(entry) else {
      return findings.add(
        .index, page: page, "page \(page) has an index entry without a node")
    }
    if value.isAlias { return checkTarget(ofAlias: entry, value.node) }
    guard let record = node(value.node), record.state == .live else {
      return findings.add(
        .index, page: page, node: value.node,
        "page \(page) has an index entry for node \(value.node), which is not live")
    }
    guard !keys(of: record, value.node).contains(where: { $0.bytes == entry.key }) else { return }
    findings.add(
      .index, page: page, node: value.node,
      "page \(page) has an index entry for node \(value.node) under the wrong key"
    )
  }

  /// Checks that the table `aliases` has the alias that the index has under a key.
  private func checkTarget(ofAlias entry: LeafEntry, _ id: NodeID) {
    let key = NumberPair(id.rawValue, IndexKey.hash(entry.key))
    if let aliases = tables[.aliases],
      case .found = lookup.find(key.bytes, in: aliases, .bytes)
    {
      return
    }
    findings.add(
      .index, page: entry.page.number, node: id,
      "page \(entry.page.number) has an index entry for an alias of node \(id), which has none")
  }

  /// Returns the keys under which the index may have a live node; empty if they are unknown.
  private func keys(of record: Record, _ id: NodeID) -> [IndexKey] {
    guard let magic = filesystems[record.filesystem], let handle = quietHandle(of: record, id)
    else {
      return []
    }
    let key = IndexKey(handle, on: record.filesystem, magic)
    guard key.isOpaque, let inodes = tables[.inodes],
      case .found(let found) = lookup.find(key.bytes, in: inodes, .bytes),
      let value = value(found)
    else { return [key] }
    return [key, IndexKey(hint: value.inode, on: record.filesystem)]
  }

  // MARK: Lookups

  private func find(_ id: NodeID, in table: TableName) -> TreeLookup.Answer {
    guard let tree = tables[table] else { return .unreadable }
    return lookup.find(id.rawValue.littleEndianBytes[...], in: tree, .integer)
  }

  private func node(_ id: NodeID) -> Record? {
    guard case .found(let entry) = find(id, in: .nodes) else { return nil }
    return record(entry, id)
  }

  /// Returns a node's handle without reporting faults, because the check has reported them already.
  private func quietHandle(of record: Record, _ id: NodeID) -> KernelFileHandle? {
    if let handle = record.inlineHandle { return handle }
    guard case .found(let entry) = find(id, in: .spill),
      let bytes = try? file.value(of: entry, limit: SpilledHandle.maximumSize),
      let spilled = SpilledHandle(bytes, for: id)
    else { return nil }
    return spilled.handle(type: record.handleType, size: spilled.size, for: id)
  }
}
