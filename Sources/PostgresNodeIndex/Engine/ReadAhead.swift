internal import HandleStore
internal import HandleLocks

/// Decides which nodes to read before somebody asks for them.
///
/// Files of a directory usually got their ids one after another, and so did the directories of a
/// tree. So a caller that misses two nodes of a window of consecutive ids in memory will miss the
/// others, too. If it goes on behind a window that was read, the next one is twice as long.
final class ReadAhead: Sendable {
  /// How many ids the first window of a walk has.
  private static let shortest: UInt64 = 512
  /// How many windows it remembers: at least one for each walk that is under way.
  private static let most = 16
  /// How many ids a window has at most.
  private let longest: UInt64

  private struct Window {
    let ids: Range<UInt64>
    /// How many more nodes are missed before the window is read. Some nodes are missed each time:
    /// those that memory has no room for, and files that another name leads to. So it takes more
    /// before it is read again.
    var misses = 2
    var wasRead = false

    /// The ids behind it, twice as many.
    func next(atMost longest: UInt64) -> Range<UInt64> {
      ids.upperBound..<ids.upperBound + min(2 * UInt64(ids.count), longest)
    }

    /// Takes note that a node of the window was missed. Returns whether to read the window now.
    mutating func miss() -> Bool {
      misses -= 1
      guard misses == 0 else { return false }
      (misses, wasRead) = (64, true)
      return true
    }
  }

  /// The window of the last miss comes first.
  private let windows = Locked<[Window]>([])

  /// - Parameter cacheSize: how many nodes memory has room for. A window takes a part of it.
  init(cacheSize: Int) {
    longest = min(4096, max(Self.shortest, UInt64(clamping: cacheSize / 8)))
  }

  /// Takes note that a node was missed. Returns the ids of its window if they should be read now.
  func miss(_ id: NodeID) -> Range<UInt64>? {
    windows.withLock { windows in
      var window = window(of: id.rawValue, among: windows)
      windows.removeAll { $0.ids == window.ids }
      let isRead = window.miss()
      windows.insert(window, at: 0)
      if windows.count > Self.most { windows.removeLast() }
      return isRead ? window.ids : nil
    }
  }

  private func window(of id: UInt64, among windows: [Window]) -> Window {
    if let known = windows.first(where: { $0.ids.contains(id) }) { return known }
    for window in windows where window.wasRead {
      let next = window.next(atMost: longest)
      if next.contains(id) { return Window(ids: next) }
    }
    let start = id / Self.shortest * Self.shortest
    return Window(ids: start..<start + Self.shortest)
  }
}

extension PostgresNodeIndex {
  /// Called when nodes were read that were not in memory. Reads those around them, if it seems
  /// worth it.
  func readAhead(around ids: [NodeID]) {
    guard local != nil else { return }
    for id in ids {
      guard let window = readAhead.miss(id) else { continue }
      // If it fails, each node is read when it is asked for, and says why.
      _ = try? readIntoMemory(WorkingSet.nodes(in: window))
    }
  }

  /// Reads nodes into memory, where they are found by their ids and by their files, and into the
  /// cache. Returns their ids.
  func readIntoMemory(_ statement: Statement) throws -> [NodeID] {
    // Taken before the database is asked, so that no node is kept that has changed meanwhile.
    let tickets = local?.tickets()
    let rows = try database.read(statement)
    if let tickets { try keep(rows, tickets) }
    return (0..<rows.count).compactMap { rows.node($0, 0) }
  }

  /// Keeps nodes that were read after tickets had been taken.
  ///
  /// - Throws: ``StoreError/damaged(_:)``.
  func keep(_ rows: Rows, _ tickets: NodeCache.Tickets) throws {
    local?.insert(try (0..<rows.count).map { try rows.cacheEntry($0) }, tickets: tickets)
  }
}
