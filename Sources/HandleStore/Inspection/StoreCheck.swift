internal import SystemPackage

/// Checks one commit of a store, from its pages to how its rows refer to each other.
///
/// It reads the nodes in order, and looks up what the index and the spill table must have for each.
/// Only if one of these tables has more entries than that, it reads that table in order, to name
/// the surplus ones.
final class StoreCheck {
  let file: PageFile
  let meta: MetaPage?
  /// The file `state`, or `nil` if it cannot be read.
  let state: StateFile?
  /// What is wrong with the file `state`, or `nil`.
  var stateFault: String?
  /// Whether the two commits need not follow each other: a power cut may take a commit that was not
  /// flushed and keep a later one, and a copy may have been made while the store was written.
  var mayHaveGap: Bool

  private(set) var findings = FindingList(limit: 0)
  private(set) var report = CheckReport()
  private var use = PageUse(lastPage: 1)
  private var filesystems: [FilesystemID: FilesystemMagic] = [:]
  /// Whether every filesystem's row could be read.
  private var filesystemsAreWhole = false

  /// - Parameter meta: the commit to check, by default the newest one whose meta page is possible.
  init(_ file: PageFile, state: StateFile?, meta: MetaPage? = nil) {
    self.file = file
    self.state = state
    self.meta = meta ?? file.newestPossible
    mayHaveGap = state?.isUnflushed ?? false
  }

  /// - Parameter limit: how many findings to describe at most.
  func run(atMost limit: Int) -> CheckReport {
    findings = FindingList(limit: limit)
    report = CheckReport()
    report.pageSize = file.pageSize
    if let stateFault { findings.add(.state, stateFault) }
    checkMetaPages()
    if let meta { checkCommit(meta) } else { tellLoss() }
    report.findings = findings.findings
    report.findingCount = findings.count
    return report
  }

  private func checkMetaPages() {
    for (number, meta) in file.metas.enumerated() {
      guard case .failure(let fault) = meta else { continue }
      findings.add(.file, page: number, "meta page \(number) of data.mdb \(fault.reason)")
    }
    if let fault = file.orderFault, !mayHaveGap { findings.add(.file, fault) }
    if let newest = file.newest, newest.number != meta?.number, let fault = newest.fault {
      findings.add(
        .file, page: newest.number, "meta page \(newest.number) of data.mdb \(fault)")
    }
  }

  private func checkCommit(_ meta: MetaPage) {
    use = file.pageUse(meta)
    if !file.isLongEnough(meta) {
      findings.add(
        .file,
        "data.mdb was cut short: it has \(file.pageCount) pages, but its newest commit has "
          + "\(meta.lastPage + 1)")
    }
    FreeList(file, meta, use: use, findings: findings).read()
    let tables = TableTrees(of: file, meta: meta, use: use, findings: findings)
    checkMark(tables[.meta])
    checkFilesystems(tables[.filesystems])
    let aliases = walk(.aliases, of: tables) { _ in }
    report.aliases = aliases.entries
    let spill = walk(.spill, of: tables) { self.checkSpilled($0) }
    let index = walk(.inodes, of: tables) { _ in }
    report.spilled = spill.entries
    report.indexEntries = index.entries
    checkNodes(tables, spill: spill, index: index, aliases: aliases)
    checkWatches(tables)
    checkPlaces(tables)
    checkLost()
    report.pages = use.usedCount + 2
    report.freePages = use.freeCount
  }

  private func walk(
    _ name: TableName, of tables: TableTrees, _ visit: (LeafEntry) -> Void
  ) -> TreeWalk {
    var walk = walk("the table `\(name.rawValue)`", in: name.order)
    if let tree = tables[name] { walk.run(tree, visit) }
    return walk
  }

  /// Returns a walk that adds what it finds to the report.
  private func walk(_ name: String, in order: KeyOrder) -> TreeWalk {
    TreeWalk(file, use: use, findings: findings, name: name, order: order)
  }

  /// Checks that every page is used or free, if everything was read and nothing is wrong.
  private func checkLost() {
    guard findings.count == 0, let (count, first) = use.lost else { return }
    findings.add(
      .pageUse, page: first,
      "\(count) pages are neither used nor free; the first is page \(first)")
  }

  // MARK: Small tables

  private func checkMark(_ tree: TreeRecord?) {
    guard let tree else { return }
    var store: UInt64?
    var walk = walk("the table `meta`", in: .bytes)
    walk.run(tree) { entry in
      guard entry.key.elementsEqual("store\0\0\0".utf8) else { return }
      store = (try? file.value(of: entry, limit: 8))?.word(0)
    }
    guard walk.isWhole else { return }
    guard let store else {
      return findings.add(.table, "the table `meta` does not name the store")
    }
    if let state, state.store != store {
      findings.add(.state, "data.mdb and `state` belong to different stores")
    }
  }

  private func checkFilesystems(_ tree: TreeRecord?) {
    guard let tree else { return }
    var walk = walk("the table `filesystems`", in: .integer)
    filesystemsAreWhole = true
    walk.run(tree) { entry in
      report.filesystems += 1
      let bytes = try? file.value(of: entry, limit: FilesystemRecord.maximumSize)
      guard let known = bytes.flatMap({ FilesystemRecord.decode($0, entry.number) }) else {
        filesystemsAreWhole = false
        return findings.add(
          .filesystem, page: entry.page.number,
          "the record of filesystem \(entry.number) on page \(entry.page.number) is not intact")
      }
      filesystems[FilesystemID(rawValue: UInt16(entry.number))] = known.identity.magic
    }
    filesystemsAreWhole = filesystemsAreWhole && walk.isWhole
  }

  private func checkSpilled(_ entry: LeafEntry) {
    let id = NodeID(rawValue: entry.number)
    let bytes = try? file.value(of: entry, limit: SpilledHandle.maximumSize)
    if bytes.flatMap({ SpilledHandle($0, for: id) }) == nil {
      findings.add(
        .spill, page: entry.page.number, node: id,
        "the spilled handle of node \(id) on page \(entry.page.number) is not intact")
    }
  }

  // MARK: Nodes

  private func checkNodes(
    _ tables: TableTrees, spill: TreeWalk, index: TreeWalk, aliases: TreeWalk
  ) {
    guard tables[.nodes] != nil else { return tellLoss() }
    var nodes = NodeCheck(
      self, of: tables, filesystems: filesystems, filesystemsAreWhole: filesystemsAreWhole)
    let walk = walk(.nodes, of: tables) { nodes.check($0) }
    if aliases.isWhole { again(tables[.aliases], in: .bytes) { nodes.check(alias: $0) } }
    report.nodes = nodes.live + nodes.stale
    report.live = nodes.live
    report.stale = nodes.stale
    // An entry that names an unread node would look like surplus.
    guard walk.isWhole, nodes.allIntact else { return }
    if spill.isWhole && spill.entries != nodes.spilledFound {
      again(tables[.spill], in: .integer) { nodes.checkOwner(ofSpilled: $0) }
    }
    if index.isWhole && index.entries != nodes.indexedFound {
      again(tables[.inodes], in: .bytes) { nodes.checkTarget(ofIndex: $0) }
    }
  }

  /// Reports how many nodes may be lost, because none can be read.
  private func tellLoss() {
    guard let note = state?.lossNote, !note.isEmpty else { return }
    findings.add(.table, "the table `nodes` cannot be read\(note)")
  }

  private func checkWatches(_ tables: TableTrees) {
    var watches = WatchCheck(self, tables)
    let watch = walk(.watches, of: tables) { watches.check(watch: $0) }
    let limbo = walk(.limbo, of: tables) { watches.check(limbo: $0) }
    report.watches = watch.entries
    report.limbo = watches.limbo
    if watch.isWhole && limbo.isWhole { watches.finish() }
  }

  private func checkPlaces(_ tables: TableTrees) {
    _ = walk(.places, of: tables) { entry in
      guard file.place(entry) == nil else { return }
      let page = entry.page.number
      findings.add(.place, page: page, "a row of the table `places` on page \(page) is not intact")
    }
  }

  /// Reads a whole tree a second time.
  private func again(_ tree: TreeRecord?, in order: KeyOrder, _ visit: (LeafEntry) -> Void) {
    guard let tree else { return }
    var walk = TreeWalk(
      file, use: PageUse(lastPage: use.last), findings: FindingList(limit: 0), name: "",
      order: order)
    walk.run(tree, visit)
  }
}
