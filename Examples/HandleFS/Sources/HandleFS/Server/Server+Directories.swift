internal import CHandleFS
internal import Glibc
internal import HandleStore
internal import SystemPackage

extension Server {
  func openDirectory(_ number: UInt64, flags: CInt, for request: Request) throws -> Reply {
    _ = try listed(number, open: request.number, flags: flags)
    return .opened(Opened(number: request.number, backing: 0))
  }

  func releaseDirectory(open: UInt64) -> Reply {
    listings.remove(open)
    return .done
  }

  /// Returns the listing of an open. Opens the directory again if the server no longer has it, as
  /// after a restart.
  ///
  /// - Parameter flags: those of the open, by which reading keeps the access time (`O_NOATIME`) or
  ///   not.
  private func listed(_ number: UInt64, open: UInt64, flags: CInt) throws -> Listing {
    if let listing = listings[open] { return listing }
    let path = try path(number)
    let listing = Listing(
      try withDescriptors {
        try path.open(".", flags: O_RDONLY | O_DIRECTORY | flags & HF_O_NOATIME)
      })
    listings.insert(listing, open)
    return listing
  }

  func syncDirectory(_ number: UInt64, dataOnly: Bool) throws -> Reply {
    try path(number).open(".", flags: O_RDONLY | O_DIRECTORY).sync(dataOnly: dataOnly)
    return .done
  }

  /// Sends the entries from an offset on, as many as fit into `size` bytes. Offsets are those of
  /// the backing filesystem, so they stay valid when this server is restarted.
  func readDirectory(
    _ number: UInt64, open: UInt64, size: Int, at offset: Int, plus: Bool, for request: Request
  ) throws {
    let listing = try listed(number, open: open, flags: CInt(bitPattern: request.word(8)))
    let parent = Parent(
      number: number, directory: listing.directory, status: try listing.directory.status)
    try buffers.with { entries in
      try buffers.with { reply in
        let room = Room(listing: listing, offset: offset, limit: min(size, reply.size))
        guard plus else {
          let filled = try add(room, entries, in: parent, to: reply, for: request)
          return request.send(.buffer(reply, filled), on: fuse)
        }
        let (filled, count) = try addWithFiles(room, entries, in: parent, to: reply)
        if request.leavesAProcessor {
          readingAhead.look(for: listing.names(ofNext: count), in: listing.directory)
        }
        request.send(.buffer(reply, filled), on: fuse)
      }
    }
  }

  /// What is read, and how many bytes of it.
  private struct Room {
    let listing: Listing
    let offset: Int
    let limit: Int
  }

  /// The directory that is being read.
  private struct Parent {
    let number: UInt64
    let directory: BackingFile
    let status: stat
  }

  /// Adds entries to a reply; returns how many bytes are filled.
  private func add(
    _ room: Room, _ entries: Buffer, in parent: Parent, to reply: Buffer, for request: Request
  ) throws -> Int {
    var filled = 0
    try room.listing.read(from: room.offset, entries, limit: room.limit) { entry in
      let end = reply.add(
        entry, inode: try inode(entry, in: parent), to: request, filled: filled,
        limit: room.limit)
      filled = end ?? filled
      return end != nil
    }
    return filled
  }

  /// Adds entries to a reply, with what LOOKUP would say of each; returns how many bytes are filled, and how
  /// many entries there are.
  private func addWithFiles(
    _ room: Room, _ entries: Buffer, in parent: Parent, to reply: Buffer
  ) throws -> (filled: Int, count: Int) {
    var (taken, left): ([DirectoryEntry], Int) = ([], room.limit)
    try room.listing.read(from: room.offset, entries, limit: room.limit) { entry in
      let length = Buffer.length(of: entry)
      guard length <= left else { return false }
      left -= length
      taken.append(entry)
      return true
    }
    var filled = 0
    for (entry, found) in zip(taken, try found(taken, in: parent)) {
      filled = reply.add(entry, found, filled: filled, limit: room.limit) ?? filled
    }
    return (filled, taken.count)
  }

  /// Returns the inode number that `stat(2)` gives for the file that an entry leads to.
  private func inode(_ entry: DirectoryEntry, in parent: Parent) throws -> UInt64 {
    let node = node(parent.number)
    if entry.name == "." || entry.name == ".." && node == root {
      return UInt64(try filesystems.shown(parent.status, node).st_ino)
    }
    let shown = try filesystems.shown(entry.inode, in: node, parent.status)
    if let shown, !filesystems.mayBeElsewhere(entry) { return shown }
    // A file that cannot be looked up or registered has no other number: it is on a filesystem
    // without handles, or on one whose server is gone.
    let found = try? inode(of: find(entry.name, in: parent.directory), entry, in: parent)
    return found ?? shown ?? entry.inode
  }

  private func inode(
    of file: BackingFile, _ entry: DirectoryEntry, in parent: Parent
  ) throws -> UInt64 {
    let (status, directory) = (try file.status, node(parent.number))
    if status.st_dev == parent.status.st_dev,
      let number = try filesystems.shown(UInt64(status.st_ino), in: directory, parent.status)
    {
      return number
    }
    let node = try registered(
      file, KernelFileHandle(identifying: file.descriptor), status,
      in: entry.name == ".." ? nil : parent.number
    ).node
    return UInt64(try filesystems.shown(status, node).st_ino)
  }

  /// Returns what LOOKUP would say of an entry that cannot be looked up: it has no node.
  private func unknown(_ entry: DirectoryEntry, in parent: Parent) throws -> Entry {
    var status = stat()
    status.st_ino = UInt(try inode(entry, in: parent))
    status.st_mode = UInt32(entry.type) << 12
    return Entry(node: 0, generation: 0, status: status, nameTime: 0, statusTime: 0)
  }

  // MARK: Files of entries

  /// Returns what LOOKUP would say of entries.
  private func found(_ entries: [DirectoryEntry], in parent: Parent) throws -> [Entry] {
    guard kept == nil else {
      return try entries.map { try lookup($0, in: parent) ?? unknown($0, in: parent) }
    }
    let seen = entries.map { $0.isDot ? nil : try? see($0, in: parent) }
    let nodes = pinned(seen.compactMap(\.self), in: parent)
    var next = 0
    return try zip(entries, seen).map { entry, seen in
      guard let seen else { return try unknown(entry, in: parent) }
      defer { next += 1 }
      let found = nodes[next].flatMap { try? self.entry(of: seen.sighting, $0) }
      return try found ?? unknown(entry, in: parent)
    }
  }

  private func lookup(_ entry: DirectoryEntry, in parent: Parent) throws -> Entry? {
    guard !entry.isDot, let file = try? find(entry.name, in: parent.directory) else { return nil }
    return try? self.entry(of: file, in: parent.number, caches: false)
  }

  /// A file of the directory that is to be registered.
  private struct Seen {
    let sighting: Sighting
    let filesystem: FilesystemID
  }

  private func see(_ entry: DirectoryEntry, in parent: Parent) throws -> Seen {
    let file = try find(entry.name, in: parent.directory)
    let seen = try sighting(of: file)
    if hasSetID(seen.status.st_mode) {
      // As in ``entry(of:in:caches:)``.
      try setID.add(registered(file, seen.handle, seen.status, in: parent.number).node)
    }
    return Seen(sighting: seen, filesystem: try filesystems.filesystem(of: file, seen.status))
  }

  /// Registers and pins files, those of a filesystem together: each call may cost a round trip to a
  /// database. Returns the node of each, or `nil` if it has none: then the kernel looks the file up when
  /// somebody wants it, and gets the error.
  private func pinned(_ seen: [Seen], in parent: Parent) -> [NodeID?] {
    var nodes = [NodeID?](repeating: nil, count: seen.count)
    for (filesystem, places) in Dictionary(grouping: seen.indices, by: { seen[$0].filesystem }) {
      let files = places.map {
        FoundFile(
          handle: seen[$0].sighting.handle, status: FileStatus(seen[$0].sighting.status),
          parent: node(parent.number))
      }
      let done = (try? pinned(files, on: filesystem)) ?? []
      for (place, node) in zip(places, done) { nodes[place] = node }
    }
    return nodes
  }

  private func pinned(_ files: [FoundFile], on filesystem: FilesystemID) throws -> [NodeID?] {
    let registrations = try store.register(batch: files, on: filesystem, pinnedBy: lookups)
    return registrations.map { registration in
      if case .replaced(let old) = registration.outcome { forgetReplaced(old) }
      return registration.outcome == .stale ? nil : registration.node
    }
  }
}
