/// The part of a check that compares the watches and limbo with the nodes.
struct WatchCheck {
  private let file: PageFile
  private let findings: FindingList
  private let tables: TableTrees
  private let lookup: TreeLookup
  private var last: NodeID?
  /// The number of watched stale nodes, as far as they could be read.
  private var stale = 0
  private var allIntact = true
  /// The number of nodes in limbo.
  private(set) var limbo = 0

  init(_ check: StoreCheck, _ tables: TableTrees) {
    file = check.file
    findings = check.findings
    self.tables = tables
    lookup = TreeLookup(check.file, lastPage: check.meta?.lastPage ?? 1)
  }

  /// Checks an entry of the table `watches`.
  mutating func check(watch entry: LeafEntry) {
    let page = entry.page.number
    guard let watch = file.watch(entry) else {
      allIntact = false
      return findings.add(.watch, page: page, "a watch on page \(page) is not intact")
    }
    // The watches of a node are next to each other.
    if watch.node == last { return }
    last = watch.node
    check(watch.node, page)
  }

  private mutating func check(_ id: NodeID, _ page: Int) {
    guard let record = record(id) else { return allIntact = false }
    guard let state = record?.state else {
      return findings.add(
        .watch, page: page, node: id, "page \(page) has a watch of node \(id), which does not exist"
      )
    }
    guard state == .stale else { return }
    stale += 1
    let rows = [LimboRow(id, isReported: true), LimboRow(id, isReported: false)]
    switch rows.map({ find($0.number, in: .limbo) }).count(where: { $0 == .absent }) {
    case 2: findings.add(.watch, node: id, "node \(id) is stale and watched, but not in limbo")
    case 0 where rows.allSatisfy({ find($0.number, in: .limbo) == .found }):
      findings.add(.watch, node: id, "node \(id) is in limbo twice")
    default: break
    }
  }

  /// Checks an entry of the table `limbo`.
  mutating func check(limbo entry: LeafEntry) {
    let page = entry.page.number
    guard let row = file.limboRow(entry) else {
      allIntact = false
      return findings.add(
        .watch, page: page, "a row of the table `limbo` on page \(page) is not intact")
    }
    if row != .overflow { limbo += 1 }
  }

  /// Compares the two counts, if all rows could be read.
  func finish() {
    guard allIntact, findings.count == 0, limbo != stale else { return }
    findings.add(
      .watch, "\(limbo) nodes are in limbo, but \(stale) nodes are stale and watched")
  }

  // MARK: Lookups

  private enum Answer { case found, absent, unreadable }

  private func find(_ number: UInt64, in table: TableName) -> Answer {
    guard let tree = tables[table] else { return .unreadable }
    switch lookup.find(number.littleEndianBytes[...], in: tree, .integer) {
    case .found: return .found
    case .absent: return .absent
    case .unreadable: return .unreadable
    }
  }

  /// Returns a node's record: `.some(nil)` if there is none, `nil` if it cannot be read.
  private func record(_ id: NodeID) -> Record?? {
    guard let tree = tables[.nodes] else { return nil }
    switch lookup.find(id.rawValue.littleEndianBytes[...], in: tree, .integer) {
    case .unreadable: return nil
    case .absent: return .some(nil)
    case .found(let entry):
      return (try? file.value(of: entry, limit: Record.size)).flatMap { Record($0, for: id) }
        .map { .some($0) }
    }
  }
}
