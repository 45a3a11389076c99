internal import HandleStore
internal import SystemPackage

/// The nodes that a gateway has come across: those used recently in memory, and, if it has a directory
/// for them, all of them there. Valid while the gateway has its lease.
///
/// A node that was read is not added if it has changed since before it was read: whoever reads takes a
/// ticket first.
final class LocalCache: Sendable {
  let memory: NodeCache
  private let disk: DiskCache?
  private let filesystems: KnownFilesystems

  typealias Entry = DiskCache.Entry

  /// - Parameters:
  ///   - size: how many nodes to keep in memory; 0 or less for none, unless there is a directory.
  ///   - directory: where to keep the others; `nil` if nowhere.
  init?(size: Int, in directory: FilePath?, _ filesystems: KnownFilesystems) throws(StoreError) {
    guard let memory = NodeCache(size: directory == nil ? size : max(size, 1)) else { return nil }
    (self.memory, self.filesystems) = (memory, filesystems)
    if let directory { disk = try DiskCache(directory, filesystems) } else { disk = nil }
  }

  // MARK: Finding

  /// Returns a node that is not in memory.
  func node(_ id: NodeID) -> Node? { disk?.node(id, addingTo: memory) }

  /// Returns the live node of a file, if registering the file would change nothing.
  ///
  /// - Parameters:
  ///   - magic: that of the filesystem.
  ///   - last: the node of the file before it in a listing. Another file may have the place of this
  ///     file's hint, but the file is likely to have got its id right after that one.
  func node(
    of candidate: FoundFile, on filesystem: FilesystemID, _ magic: FilesystemMagic,
    after last: NodeID? = nil
  ) -> NodeID? {
    // An opaque handle is never looked for here.
    guard let key = candidate.handle.fileKey(on: magic) else { return nil }
    if let id = memory.node(of: candidate, key, on: filesystem, magic) { return id }
    if let last {
      memory.setHint(key.hintHash(on: filesystem), NodeID(rawValue: last.rawValue &+ 1))
      if let id = memory.node(of: candidate, key, on: filesystem, magic) { return id }
    }
    guard let disk else { return nil }
    let tickets = memory.tickets()
    let end = memory.validUntil
    guard end > 0, let (id, record) = disk.node(of: candidate, key, on: filesystem, magic),
      memory.isValid(until: end)
    else { return nil }
    memory.insert(id, record, ticket: tickets[id])
    memory.setHint(key.hintHash(on: filesystem), id)
    return id
  }

  // MARK: Adding

  func tickets() -> NodeCache.Tickets { memory.tickets() }

  /// Adds nodes that were read after ``tickets()`` returned the tickets.
  func insert(_ entries: [Entry], tickets: NodeCache.Tickets) {
    for entry in entries {
      memory.insert(entry.id, entry.record, ticket: tickets[entry.id])
      setHint(entry)
    }
    disk?.insert(entries) { memory.isCurrent(tickets[$0], of: $0) }
  }

  /// Adds nodes that are as they are now: nobody else has changed them.
  func insert(_ entries: [Entry]) {
    memory.insert(entries.map { ($0.id, $0.record) })
    for entry in entries { setHint(entry) }
    disk?.insert(entries)
  }

  private func setHint(_ entry: Entry) {
    let filesystem = entry.record.filesystem
    guard entry.record.state == .live, let magic = try? filesystems.magic(filesystem) else {
      return
    }
    setHint(entry.handle, on: filesystem, magic, entry.id)
  }

  /// Remembers that a node has the file with a handle.
  func setHint(
    _ handle: KernelFileHandle, on filesystem: FilesystemID, _ magic: FilesystemMagic, _ id: NodeID
  ) {
    guard let key = handle.fileKey(on: magic) else { return }
    memory.setHint(key.hintHash(on: filesystem), id)
  }

  // MARK: Forgetting

  /// Forgets nodes that have changed, and notes that the cache knows all changes up to a position.
  func remove(_ ids: [NodeID], at position: String? = nil) {
    replace(ids.map { ($0, nil) }, at: position)
  }

  /// Takes up how nodes are now; `nil` for those that are gone.
  func replace(_ records: [(NodeID, Record?)], at position: String? = nil) {
    for (id, record) in records { memory.replace(id, record) }
    guard let disk else { return }
    disk.remove(records.map(\.0), at: position)
    // Somebody may have read one of them there meanwhile, and put it into memory.
    for (id, record) in records { memory.replace(id, record) }
  }

  /// The position of the last ``remove(_:at:)``, perhaps in an earlier process; `nil` if there is none.
  var position: String? { disk?.position }

  func removeAll() {
    memory.removeAll()
    guard let disk else { return }
    disk.removeAll()
    memory.removeAll()
  }

  /// Whether the directory can be used now; `nil` if there is none.
  var directoryIsUsable: Bool? { disk?.isUsable }

  func close() { disk?.close() }
}
