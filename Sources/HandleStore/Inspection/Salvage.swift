internal import SystemPackage

/// Collects what a damaged store can prove intact: rows with a checksum that is seeded with their
/// id.
///
/// It first collects what the trees of the newest commit reach. If a tree is damaged, it then looks
/// for the missing rows on leaves that no tree reaches any more. It skips the pages of the free
/// list, because their contents are older. If the free list cannot be read, nothing tells which
/// leaves are older, so it takes nothing from leaves that no tree reaches.
///
/// If no meta page is left, there are no trees and no free list. Then it takes the intact rows of
/// every leaf.
final class Salvage {
  private let file: PageFile
  private let meta: MetaPage?
  private let use: PageUse
  private let found: Harvest
  var filesystems: [FilesystemID: KnownFilesystem] = [:]
  /// The number of the store that the data belong to.
  private(set) var store: UInt64?
  /// The number of nodes that the original says it has.
  private(set) var expected: Int?
  /// The highest node id seen.
  private(set) var highest: UInt64 = 0
  /// Whether every page of the trees was read.
  private var isWhole = true
  /// Whether the rows that were found include every watch of the original.
  private(set) var hasAllWatches = true

  init(_ file: PageFile, into found: Harvest) {
    self.file = file
    self.found = found
    meta = file.newestPossible
    use = meta.map { file.pageUse($0) } ?? PageUse(lastPage: max(file.pageCount - 1, 1))
  }

  /// - Parameter lost: where to collect what no tree reaches.
  func run(lost: Harvest) throws {
    var knowsFree = true
    if let meta {
      let list = FreeList(file, meta, use: use)
      list.read()
      knowsFree = list.isWhole
      try collectTrees(meta)
    } else {
      hasAllWatches = false
    }
    if !(meta != nil && isWhole) && knowsFree { try collectLost(lost) }
    try found.flush()
  }

  // MARK: Trees

  private func collectTrees(_ meta: MetaPage) throws {
    let tables = TableTrees(of: file, meta: meta, use: use, findings: FindingList(limit: 0))
    isWhole = tables.isWhole
    expected = tables[.nodes]?.entries
    for name in TableName.allCases {
      guard let tree = tables[name] else { continue }
      var walk = TreeWalk(
        file, use: use, findings: FindingList(limit: 0), name: name.rawValue, order: name.order)
      try walk.run(tree) { try collect($0, of: name) }
      // The tree's own record may be what is damaged, so trust a complete walk instead.
      if name == .nodes && walk.isWhole { expected = walk.entries }
      isWhole = isWhole && walk.isWhole
    }
    hasAllWatches = hasAllWatches && isWhole
    try found.flush()
  }

  private func collect(_ entry: LeafEntry, of table: TableName) throws {
    let row: Harvest.Row?
    switch table {
    case .nodes: row = file.node(entry)
    case .spill: row = file.spilled(entry)
    case .inodes: row = file.opaqueInode(entry)
    case .filesystems: return collectFilesystem(entry)
    case .meta: return collectMark(entry)
    case .watches: row = file.watch(entry).map { Harvest.Row($0) }
    case .limbo: row = file.limboRow(entry).map { Harvest.Row($0) }
    case .places: row = file.place(entry).map { Harvest.Row($0) }
    case .aliases: row = file.alias(entry)
    }
    guard let row else {
      if table == .watches { hasAllWatches = false }
      return
    }
    if row.isOfNode { highest = max(highest, row.id) }
    try found.add(row)
  }

  private func collectFilesystem(_ entry: LeafEntry) {
    guard let bytes = try? file.value(of: entry, limit: FilesystemRecord.maximumSize),
      let identity = FilesystemRecord.decode(bytes, entry.number)
    else { return }
    let id = FilesystemID(rawValue: UInt16(entry.number))
    filesystems[id] = filesystems[id] ?? identity
  }

  private func collectMark(_ entry: LeafEntry) {
    guard entry.key.elementsEqual("store\0\0\0".utf8), store == nil,
      let bytes = try? file.value(of: entry, limit: 8), bytes.count == 8
    else { return }
    store = bytes.word(0)
  }

  // MARK: Leaves that no tree reaches

  private func collectLost(_ lost: Harvest) throws {
    for number in 2..<max(use.last + 1, 2) where !use.isFree(number) {
      guard let page = try? file.page(number), page.isLeaf else { continue }
      for i in 0..<page.count { try collectLost(LeafEntry(page: page, index: i), lost) }
    }
    try lost.flush()
    for kind in Harvest.Kind.allCases {
      try lost.forEachBatch(kind) { rows in
        for row in rows { try found.add(row) }
      }
    }
  }

  /// Collects an entry of a leaf whose table is unknown. No row can be mistaken for a row of
  /// another table.
  private func collectLost(_ entry: LeafEntry, _ lost: Harvest) throws {
    guard
      let row = file.node(entry) ?? file.spilled(entry) ?? file.opaqueInode(entry)
        ?? file.watch(entry).map({ Harvest.Row($0) })
        ?? file.limboRow(entry).map({ Harvest.Row($0) })
        ?? file.place(entry).map({ Harvest.Row($0) }) ?? file.alias(entry)
    else {
      collectFilesystem(entry)
      return collectMark(entry)
    }
    if row.isOfNode { highest = max(highest, row.id) }
    guard try found.row(row.kind, of: row.id, minor: row.minor) == nil else { return }
    try lost.add(row)
  }
}

extension Harvest.Row {
  /// Whether the row proves that its id was handed out.
  fileprivate var isOfNode: Bool { kind == .node || kind == .spilled }
}

/// Reads rows of leaves. Each call returns `nil` unless the row is intact.
extension PageFile {
  fileprivate func node(_ entry: LeafEntry) -> Harvest.Row? {
    guard entry.key.count == 8, let bytes = try? value(of: entry, limit: Record.size) else {
      return nil
    }
    let id = NodeID(rawValue: entry.number)
    return Record(bytes, for: id).map { Harvest.Row(id, $0) }
  }

  fileprivate func spilled(_ entry: LeafEntry) -> Harvest.Row? {
    guard entry.key.count == 8,
      let bytes = try? value(of: entry, limit: SpilledHandle.maximumSize)
    else { return nil }
    let id = NodeID(rawValue: entry.number)
    return SpilledHandle(bytes, for: id).map { Harvest.Row(id, $0) }
  }

  fileprivate func alias(_ entry: LeafEntry) -> Harvest.Row? {
    AliasRow.alias(entry, in: self).map { Harvest.Row($0, under: entry.pair) }
  }

  /// Reads what the index has under an opaque handle.
  fileprivate func opaqueInode(_ entry: LeafEntry) -> Harvest.Row? {
    guard entry.key.count > 10, entry.key.word(0) & 0x80 != 0,
      let bytes = try? value(of: entry, limit: 16), bytes.count == 16,
      let value = IndexValue(bytes)
    else { return nil }
    return Harvest.Row(value.node, inode: value.inode, keyHash: Self.hash(entry.key))
  }

  /// Returns a hash of an index key. It tells whether an index entry stood under a node's key.
  static func hash(_ key: ArraySlice<UInt8>) -> UInt64 {
    UInt64(Checksum.of(Array(key), seed: 0)) << 32 | UInt64(Checksum.of(Array(key), seed: 1))
  }
}
