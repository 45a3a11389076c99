internal import HandleStore
internal import SystemPackage
internal import HandleLocks

/// One open of a directory that a client reads.
///
/// It reads on from the directory's current position, without seeking, as long as it can. On btrfs
/// a listing ends with the entries that existed when the directory was opened or last sought; with
/// a seek before each read, a listing would never end if entries were renamed meanwhile.
final class Listing: Sendable {
  private struct State {
    /// Entries that were read but not yet passed on, and the offset of the first.
    var left: ArraySlice<DirectoryEntry> = []
    var start = 0
    /// The offset at which the next read of the directory begins; `nil` if unknown.
    var position: Int? = 0
  }

  let directory: BackingFile
  private let state = Locked(State())

  init(_ directory: BackingFile) { self.directory = directory }

  /// Passes the entries from an offset on to `takes`, until `takes` returns `false` or no entry is
  /// left.
  ///
  /// - Parameter buffer: memory for the entries, filled with about `limit` bytes at a time.
  func read(
    from place: Int, _ buffer: Buffer, limit: Int, _ takes: (DirectoryEntry) throws -> Bool
  ) throws {
    try state.withLock { state in
      if state.start != place { (state.left, state.start) = ([], place) }
      while true {
        if state.left.isEmpty {
          try readMore(&state, into: buffer, limit: limit)
          if state.left.isEmpty { return }
        }
        while let entry = state.left.first {
          guard try takes(entry) else { return }
          state.left.removeFirst()
          state.start = entry.next
        }
      }
    }
  }

  /// Returns the names of the next entries that were read, and not yet passed on.
  func names(ofNext count: Int) -> [FilePath] {
    state.withLock { state in state.left.prefix(count).map(\.name) }
  }

  private func readMore(_ state: inout State, into buffer: Buffer, limit: Int) throws {
    let seeks = state.position != state.start
    state.position = nil
    let length = try buffer.readEntries(directory, at: seeks ? state.start : nil, limit: limit)
    var place = 0
    while place < length {
      let (entry, size) = buffer.entry(at: place)
      state.left.append(entry)
      place += size
    }
    state.position = state.left.last?.next ?? state.start
  }
}

/// The directories that clients are reading, by the numbers of their opens. It keeps only the
/// newest few; the server opens any other again.
final class Listings: Sendable {
  private static let most = 32
  private let listings = Locked<[UInt64: Listing]>([:])

  subscript(open: UInt64) -> Listing? { listings.withLock { $0[open] } }

  func insert(_ listing: Listing, _ open: UInt64) {
    listings.withLock { listings in
      listings[open] = listing
      if listings.count > Self.most, let oldest = listings.keys.min() { listings[oldest] = nil }
    }
  }

  func remove(_ open: UInt64) { listings.withLock { $0[open] = nil } }
}
