internal import Glibc
internal import HandleStore
internal import SystemPackage

extension Server {
  func openDirectory(_ number: UInt64) throws -> Reply {
    _ = try path(number).open(".", flags: O_RDONLY | O_DIRECTORY)
    return .opened(Opened(number: 0, backing: 0))
  }

  func syncDirectory(_ number: UInt64, dataOnly: Bool) throws -> Reply {
    try path(number).open(".", flags: O_RDONLY | O_DIRECTORY).sync(dataOnly: dataOnly)
    return .done
  }

  /// Entries from a place on, as many as `size` bytes hold. Places are those of the backing file
  /// system, which keeps them over a restart of this server.
  func readDirectory(
    _ number: UInt64, _ size: Int, at offset: Int, plus: Bool, _ request: Request
  ) throws {
    let path = try path(number)
    let directory = try withDescriptors { try path.open(".", flags: O_RDONLY | O_DIRECTORY) }
    try buffers.with { entries in
      try buffers.with { reply in
        let listing = Listing(
          directory: directory, parent: number, device: try directory.status.st_dev,
          limit: min(size, reply.size), plus: plus)
        let filled = try fill(reply, from: entries, at: offset, listing, request)
        request.send(.buffer(reply, filled), on: fuse)
      }
    }
  }

  private struct Listing {
    let directory: BackingFile
    let parent: UInt64
    let device: UInt
    let limit: Int
    let plus: Bool
  }

  private func fill(
    _ reply: Buffer, from entries: Buffer, at offset: Int, _ listing: Listing, _ request: Request
  ) throws -> Int {
    var (filled, next) = (0, offset)
    while true {
      // No more than about what the reply has room for.
      let length = try entries.readEntries(
        listing.directory, at: next, limit: max(listing.limit - filled, 1024))
      if length == 0 { return filled }
      var place = 0
      while place < length {
        let (entry, size) = entries.entry(at: place)
        place += size
        next = entry.next
        guard let end = try add(entry, to: reply, filled: filled, listing, request) else {
          return filled
        }
        filled = end
      }
    }
  }

  /// Adds an entry to a reply; `nil` where there is no room for it.
  private func add(
    _ entry: DirectoryEntry, to reply: Buffer, filled: Int, _ listing: Listing, _ request: Request
  ) throws -> Int? {
    guard listing.plus else {
      return reply.add(
        entry, inode: inode(entry, listing), to: request, filled: filled, limit: listing.limit)
    }
    guard reply.hasRoom(for: entry, filled: filled, limit: listing.limit) else { return nil }
    return reply.add(entry, try found(entry, listing), filled: filled, limit: listing.limit)
  }

  private func inode(_ entry: DirectoryEntry, _ listing: Listing) -> UInt64 {
    UInt64(filesystems.inode(UInt(entry.inode), device: listing.device))
  }

  /// What LOOKUP would say of an entry; no node for one that cannot be looked up.
  private func found(_ entry: DirectoryEntry, _ listing: Listing) throws -> Entry {
    if !entry.isDot, let found = try? lookup(entry.name, listing) { return found }
    var status = stat()
    status.st_ino = UInt(inode(entry, listing))
    status.st_mode = UInt32(entry.type) << 12
    return Entry(node: 0, generation: 0, status: status, seconds: 0)
  }

  private func lookup(_ name: FilePath, _ listing: Listing) throws -> Entry {
    let file = try withDescriptors {
      try listing.directory.path(of: name, crossesMounts: options.crossesMounts)
    }
    return try self.entry(of: file, in: listing.parent, keeps: false)
  }
}
