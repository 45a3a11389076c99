internal import HandleStore

/// Which changes of the nodes a gateway's cache knows: what a successor needs to go on with it. The
/// others tell a change for twice as long as the longest lease lasts.
struct CachePosition: Equatable {
  let store: Membership.StoreNumbers
  /// The gateway's row, and under which epoch it had the cache.
  let row: Membership.Row
  /// In nanoseconds of `CLOCK_BOOTTIME`.
  let moment: UInt64
  /// For each gateway, the number of its last change that the cache knows.
  let changes: [Int64: Int64]

  init(_ membership: Membership) {
    (store, row, moment) = (membership.store, membership.row, membership.moment)
    var changes = membership.seen
    // Those of an earlier process may not be in the cache until the lease is renewed.
    changes[membership.id] = membership.seen[membership.id] ?? membership.changes
    self.changes = changes
  }

  /// The position as lines of text.
  var text: String {
    let numbers = changes.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
    let first = "\(store.number) \(store.incarnation) \(row.id) \(row.epoch) \(moment)"
    return ([first, store.lineage] + numbers).joined(separator: "\n")
  }

  /// - Returns: `nil` if the text is none.
  init?(text: String) {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    let first = lines.first?.split(separator: " ") ?? []
    guard lines.count >= 2, first.count == 5, let number = UInt64(first[0]),
      let incarnation = UInt32(first[1]), let id = Int64(first[2]), let epoch = Int64(first[3]),
      let moment = UInt64(first[4])
    else { return nil }
    var changes: [Int64: Int64] = [:]
    for line in lines.dropFirst(2) {
      let words = line.split(separator: " ").compactMap { Int64($0) }
      guard words.count == 2 else { return nil }
      changes[words[0]] = words[1]
    }
    store = Membership.StoreNumbers(
      number: number, incarnation: incarnation, lineage: String(lines[1]))
    (row, self.moment, self.changes) = (Membership.Row(id: id, epoch: epoch), moment, changes)
  }
}

extension Membership {
  /// Goes on with a cache, if no change can be missed that it does not know: the database is the same,
  /// it says that the lease is not over and that nobody else had the row meanwhile, and the cache was
  /// current less than a lease ago. From now on the gateway has another lease to learn of the changes,
  /// and the others tell them for two.
  ///
  /// - Returns: whether it does.
  mutating func goOn(from position: CachePosition?) -> Bool {
    let now = SystemCalls.sinceBoot
    guard let position, let former, position.store == store, position.row == former.row,
      epoch == former.row.epoch + 1,
      now >= position.moment, now - position.moment < UInt64(former.lease) * 1_000_000
    else { return false }
    (seen, moment) = (position.changes, position.moment)
    return true
  }
}
