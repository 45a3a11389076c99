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
        let limit = min(size, reply.size)
        var filled = 0
        try listing.read(from: offset, entries, limit: limit) { entry in
          let end =
            plus
            ? try add(entry, in: parent, to: reply, filled: filled, limit: limit)
            : reply.add(
              entry, inode: try inode(entry, in: parent), to: request, filled: filled, limit: limit)
          filled = end ?? filled
          return end != nil
        }
        request.send(.buffer(reply, filled), on: fuse)
      }
    }
  }

  /// The directory that is being read.
  private struct Parent {
    let number: UInt64
    let directory: BackingFile
    let status: stat
  }

  /// Adds an entry to a reply, with what LOOKUP would say; returns `nil` if it does not fit.
  private func add(
    _ entry: DirectoryEntry, in parent: Parent, to reply: Buffer, filled: Int, limit: Int
  ) throws -> Int? {
    guard reply.hasRoom(for: entry, filled: filled, limit: limit) else { return nil }
    return reply.add(entry, try found(entry, in: parent), filled: filled, limit: limit)
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

  /// Returns what LOOKUP would say of an entry; without a node if the entry cannot be looked up.
  private func found(_ entry: DirectoryEntry, in parent: Parent) throws -> Entry {
    if !entry.isDot, let found = try? lookup(entry.name, in: parent) { return found }
    var status = stat()
    status.st_ino = UInt(try inode(entry, in: parent))
    status.st_mode = UInt32(entry.type) << 12
    return Entry(node: 0, generation: 0, status: status, nameTime: 0, statusTime: 0)
  }

  private func lookup(_ name: FilePath, in parent: Parent) throws -> Entry {
    try entry(of: find(name, in: parent.directory), in: parent.number, caches: false)
  }
}
