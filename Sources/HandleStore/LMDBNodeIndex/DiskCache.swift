internal import HandleLocks
internal import Synchronization
package import SystemPackage

/// Nodes of an index that is elsewhere, kept in a directory so that they are found without asking
/// there. Whatever is lost here can be read again: nothing is flushed, and what a power cut may have
/// torn, or what is damaged, is thrown away. If the disk gets full, the cache starts again empty.
///
/// The caller says what is outdated. Any thread may make any call.
package final class DiskCache: Sendable {
  private let directory: DiskCacheDirectory
  private let filesystems: KnownFilesystems
  private let file: DiskCacheFile
  /// False once the cache is closed or cannot be used any more.
  private let isOpen = Atomic(true)
  /// How many files there have been.
  private let openings = Atomic(1)
  /// Held by the thread that writes, or opens or closes the file. The value is the time at which the
  /// cache last started again because a write failed, in nanoseconds; 0 if it never did.
  private let writer = Locked<UInt64>(0)

  /// Opens the cache in a directory, which no other process may use, or makes one there.
  ///
  /// - Parameter filesystems: the filesystems of the nodes, as they are known at any time.
  package init(_ path: FilePath, _ filesystems: KnownFilesystems) throws(StoreError) {
    self.filesystems = filesystems
    directory = try DiskCacheDirectory(path)
    file = try directory.open()
  }

  /// A node as the index has it.
  package struct Entry {
    package let id: NodeID
    package fileprivate(set) var record: Record
    package let handle: KernelFileHandle

    package init(_ id: NodeID, _ record: Record, _ handle: KernelFileHandle) {
      (self.id, self.record, self.handle) = (id, record, handle)
    }
  }

  // MARK: Reading

  /// Returns a node, and adds it to a cache in memory. `nil` if the node is not here, or if nothing in that
  /// cache may be used now.
  package func node(_ id: NodeID, addingTo memory: NodeCache) -> Node? {
    let end = memory.validUntil
    guard end > 0 else { return nil }
    let ticket = memory.ticket(for: id)
    let node = reading { tables, transaction in
      try tables.node(id, in: transaction, addingTo: memory, ticket)
    }
    return memory.isValid(until: end) ? node : nil
  }

  /// Returns the live node of a file whose handle has a known layout, if it is here and registering
  /// the file would change nothing.
  package func node(
    of candidate: FoundFile, _ key: FileKey, on filesystem: FilesystemID, _ magic: FilesystemMagic
  ) -> (id: NodeID, record: Record)? {
    reading { tables, transaction in
      guard
        let id = try tables.indexed(IndexKey(key, on: filesystem), in: transaction)?.node,
        let record = try tables.record(id, in: transaction), record.filesystem == filesystem,
        record.isLive(candidate, isAlias: false), !candidate.hasFurtherParent(record),
        try tables.handle(of: record, id, in: transaction).fileKey(on: magic) == key
      else { return nil }
      return (id, record)
    }
  }

  @inline(__always)
  private func reading<R>(_ body: (Tables, borrowing ReadTransaction) throws -> R?) -> R? {
    let opening = openings.load(ordering: .relaxed)
    do {
      guard let transaction = try file.environment.read() else { return nil }
      return try body(file.tables, transaction)
    } catch {
      // Whatever is wrong, the index can be asked.
      let meaning = StoreError(ofLMDB: error, path: directory.path)
      if meaning.code == .damaged { removeAll(ofOpening: opening) }
      return nil
    }
  }

  /// The last position of ``remove(_:at:)``; `nil` if there is none.
  package var position: String? {
    reading { _, transaction in try file.position(in: transaction) }
  }

  /// Whether nodes can be kept here now. A file that could not be made again is tried again when the
  /// cache is emptied the next time.
  package var isUsable: Bool { isOpen.load(ordering: .acquiring) }

  // MARK: Writing

  /// Adds nodes, or replaces them.
  ///
  /// - Parameter mayAdd: returns whether a node is not outdated. It is called while no other thread
  ///   removes nodes.
  package func insert(_ entries: [Entry], if mayAdd: (NodeID) -> Bool = { _ in true }) {
    guard !entries.isEmpty else { return }
    writing(isNeeded: false) { file, transaction in
      for entry in entries where mayAdd(entry.id) { try put(entry, file.tables, transaction) }
    }
  }

  /// Removes nodes that are outdated or gone, and keeps a position, which says which changes are known
  /// here. If it takes long, everything is removed.
  package func remove(_ ids: [NodeID], at position: String? = nil) {
    guard !ids.isEmpty || position != nil else { return }
    let start = SystemCalls.now
    writing(isNeeded: true) { file, transaction in
      for (i, id) in ids.enumerated() {
        try remove(id, file.tables, transaction)
        if i % 256 == 255, SystemCalls.now - start > Self.longestRemoval { throw TakesTooLong() }
      }
      if let position { try transaction.put(PositionText(position), for: 0, in: file.positions) }
    }
  }

  /// How long a removal may take, in nanoseconds: the heartbeat waits for it.
  private static let longestRemoval: UInt64 = 500_000_000
  private struct TakesTooLong: Error {}

  /// Removes everything.
  package func removeAll() {
    writer.withLock { _ in
      // If it was given up, it is tried again, but not if it is closed.
      if directory.isOpen && !isEmpty { startAgain() }
    }
  }

  private var isEmpty: Bool {
    guard let transaction = try? file.environment.read(),
      let nodes = try? transaction.statistics(file.tables.nodes),
      let positions = try? transaction.statistics(file.positions)
    else { return false }
    return nodes.entries == 0 && positions.entries == 0
  }

  /// Removes everything, if that was not done since a file was found damaged.
  private func removeAll(ofOpening number: Int) {
    writer.withLock { _ in
      if isUsable && openings.load(ordering: .relaxed) == number { startAgain() }
    }
  }

  /// Makes a new file in place of the old one. If that fails, there is none.
  private func startAgain() {
    closeFile()
    guard (try? directory.reopen(file)) != nil else { return }
    openings.add(1, ordering: .relaxed)
    isOpen.store(true, ordering: .releasing)
  }

  private func closeFile() {
    if isOpen.exchange(false, ordering: .acquiringAndReleasing) { file.close() }
  }

  private func put(
    _ entry: Entry, _ tables: Tables, _ transaction: borrowing WriteTransaction
  ) throws {
    // The node of a filesystem that another process has just added is not needed yet.
    guard (try? filesystems.magic(entry.record.filesystem)) != nil else { return }
    var entry = entry
    try tables.put(&entry.record, entry.handle, for: entry.id, in: transaction)
    guard entry.record.state == .live, let key = try key(of: entry.record, entry.handle)
    else { return }
    try transaction.put(IndexValue(entry.id), for: key, in: tables.inodes)
  }

  private func remove(
    _ id: NodeID, _ tables: Tables, _ transaction: borrowing WriteTransaction
  ) throws {
    guard let record = try tables.record(id, in: transaction) else { return }
    if let key = try key(of: record, tables.handle(of: record, id, in: transaction)),
      try tables.indexed(key, in: transaction)?.node == id
    {
      try transaction.remove(key, from: tables.inodes)
    }
    try tables.removeNode(id, in: transaction)
  }

  /// The key under which a node is found: files with opaque handles are not looked for here.
  private func key(of record: Record, _ handle: KernelFileHandle) throws -> IndexKey? {
    let key = IndexKey(
      handle, on: record.filesystem, try filesystems.magic(record.filesystem))
    return key.isOpaque ? nil : key
  }

  /// Runs a body in a transaction. If there is no room for it, or it fails, the cache starts again,
  /// so that nothing outdated stays.
  ///
  /// - Parameter isNeeded: if not, a cache that has just started again for lack of room stays as it is.
  private func writing(
    isNeeded: Bool, _ body: (DiskCacheFile, borrowing WriteTransaction) throws -> Void
  ) {
    writer.withLock { lastFull in
      guard isUsable else { return }
      do {
        try file.commit(body)
      } catch {
        let now = SystemCalls.now
        if !isNeeded && lastFull > 0 && now - lastFull < Self.pause { return }
        lastFull = now
        startAgain()
        if isUsable { try? file.commit(body) }
      }
    }
  }

  /// How long the cache stays as it is after it has started again, in nanoseconds.
  private static let pause: UInt64 = 1_000_000_000

  // MARK: The end

  /// Closes the cache. What is in it stays. Later calls find nothing, and do nothing.
  package func close() {
    writer.withLock { _ in
      closeFile()
      directory.close()
    }
  }
}

/// A row with a text.
struct PositionText: Stored {
  private static let room = 1 << 16
  var words: [UInt64]
  let size: Int

  init() {
    words = Array(repeating: 0, count: Self.room / 8)
    size = Self.room
  }

  /// A longer text than there is room for becomes an empty one.
  init(_ text: String) {
    let bytes = Array(text.utf8.count > Self.room ? "".utf8 : text.utf8)
    size = bytes.count
    words = Array(repeating: 0, count: (size + 7) / 8)
    for (i, byte) in bytes.enumerated() { words[i / 8][byte: i] = byte }
  }

  /// The text that a row of this size has.
  func text(size: Int) -> String {
    let bytes = (0..<min(size, Self.room)).map { words[$0 / 8][byte: $0] }
    return String(decoding: bytes, as: UTF8.self)
  }
}
