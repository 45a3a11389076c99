internal import HandleStore
internal import Synchronization

/// A directory that somebody reads, by one open.
///
/// It is read on from where it is, without seeking, as far as that goes: btrfs ends a list with what was
/// there when it was opened or sought in, and would go on for ever where entries are renamed meanwhile.
final class Listing: Sendable {
  private struct State {
    /// Entries that were read and not passed on, and the place of the first.
    var left: ArraySlice<DirectoryEntry> = []
    var start = 0
    /// Where the next read of the directory begins; `nil` where that is not known.
    var position: Int? = 0
  }

  let directory: BackingFile
  private let state = Mutex(State())

  init(_ directory: BackingFile) { self.directory = directory }

  /// Passes the entries on from a place, until one is not taken.
  ///
  /// - Parameter buffer: memory for what is read, about `limit` bytes at a time.
  func read(
    from place: Int, _ buffer: Buffer, limit: Int, _ takes: (DirectoryEntry) throws -> Bool
  ) throws {
    try state.withLock { state in
      if state.start != place { (state.left, state.start) = ([], place) }
      while true {
        if state.left.isEmpty {
          try readMore(&state, buffer, limit)
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

  private func readMore(_ state: inout State, _ buffer: Buffer, _ limit: Int) throws {
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

/// The directories that are being read, by the numbers of their opens: the newest few of them. One that is
/// not among them is opened again.
final class Listings: Sendable {
  private static let most = 32
  private let listings = Mutex<[UInt64: Listing]>([:])

  subscript(open: UInt64) -> Listing? { listings.withLock { $0[open] } }

  func insert(_ listing: Listing, _ open: UInt64) {
    listings.withLock { listings in
      listings[open] = listing
      if listings.count > Self.most, let oldest = listings.keys.min() { listings[oldest] = nil }
    }
  }

  func remove(_ open: UInt64) { listings.withLock { $0[open] = nil } }
}
