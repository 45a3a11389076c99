/// The names of a store's tables, as in ``Tables``.
enum TableName: String, CaseIterable {
  case nodes, inodes, spill, filesystems, meta, watches, limbo, places, aliases

  var order: KeyOrder { flags == TreeRecord.integerKeys ? .integer : .bytes }

  /// The flags that LMDB records for the table.
  var flags: Int {
    switch self {
    case .nodes, .spill, .filesystems, .limbo: TreeRecord.integerKeys
    case .inodes, .meta, .watches, .places, .aliases: 0
    }
  }
}

/// The trees of a commit's tables.
struct TableTrees {
  private var trees: [TableName: TreeRecord] = [:]
  /// Whether the table of tables could be read and has every table.
  private(set) var isWhole: Bool

  init(of file: PageFile, meta: MetaPage, use: PageUse, findings: FindingList) {
    var walk = TreeWalk(
      file, use: use, findings: findings, name: "the table of tables", order: .bytes)
    var found: [TableName: TreeRecord] = [:]
    var isSane = true
    walk.run(meta.main) { entry in
      guard let (name, tree) = Self.table(entry) else {
        isSane = false
        return findings.add(
          .table, page: entry.page.number,
          "page \(entry.page.number) names a table that no store has")
      }
      found[name] = tree
    }
    trees = found
    isWhole = walk.isWhole && isSane && found.count == TableName.allCases.count
    guard walk.isWhole else { return }
    for name in TableName.allCases where found[name] == nil {
      findings.add(.table, "the table `\(name.rawValue)` is missing")
    }
  }

  private static func table(_ entry: LeafEntry) -> (TableName, TreeRecord)? {
    guard let name = TableName(rawValue: String(decoding: entry.key, as: UTF8.self)),
      case .tree(let range) = entry.value, range.count == TreeRecord.size
    else { return nil }
    let tree = TreeRecord(entry.page.bytes[range])
    return tree.flags == name.flags ? (name, tree) : nil
  }

  /// The tree of a table, or `nil` if it is unknown.
  subscript(name: TableName) -> TreeRecord? { trees[name] }
}
