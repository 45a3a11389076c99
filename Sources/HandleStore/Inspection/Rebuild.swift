internal import SystemPackage

/// Builds a new `data.mdb` from the rows that a repair found, with a new index of the live nodes.
struct Rebuild {
  private let found: Harvest
  private let filesystems: [FilesystemID: KnownFilesystem]
  private let environment: Environment
  private let tables: Tables
  private let now = SystemCalls.epochSeconds
  /// What happened to the nodes.
  private(set) var counts = Counts()

  struct Counts {
    var kept = 0
    /// The number of kept nodes that were live and are stale now.
    var retired = 0
    /// The number of nodes that were dropped, because a part of them is missing.
    var dropped = 0
    /// The filesystems that live nodes were on and that have no record.
    var lostFilesystems: Set<FilesystemID> = []
  }

  /// - Parameter directory: a new directory, in which to make the file.
  init(
    in directory: OpenDirectory, _ found: Harvest,
    _ filesystems: [FilesystemID: KnownFilesystem]
  ) throws {
    self.found = found
    self.filesystems = filesystems
    var mode = EnvironmentMode()
    mode.noSync = true
    environment = try Environment(
      directory: directory, mode: mode, mapSize: Environment.initialMapSize, tables: Tables.count)
    tables = try Tables(environment, create: true)
  }

  /// Fills the file, flushes it, and closes the environment, also on an error.
  ///
  /// - Parameter hasAllWatches: whether the rows that were found include every watch of the
  ///   original.
  mutating func run(store: UInt64, hasAllWatches: Bool) throws {
    do {
      try tables.mark(environment, store: store)
      try putFilesystems()
      try putNodes()
      try putWatches(hasAll: hasAllWatches)
      try putPlaces()
      try putAliases()
      try environment.sync()
    } catch {
      close()
      throw error
    }
    close()
  }

  private func close() {
    environment.stop()
    environment.close(trimming: true)
  }

  private func putFilesystems() throws {
    try environment.commit { transaction in
      for (id, known) in filesystems {
        try transaction.put(FilesystemRecord.encode(known, id), for: id, in: tables.filesystems)
      }
    }
  }

  private mutating func putNodes() throws {
    var counts = Counts()
    try found.forEachBatch(.node) { rows in
      let before = counts
      try environment.commit { transaction in
        counts = before  // The commit may run this again after the map has grown.
        for row in rows { try put(row, counting: &counts, in: transaction) }
      }
    }
    self.counts = counts
  }

  // MARK: Watches

  /// Puts the watches of the nodes that were kept. If a watch may be lost, reports an overflow.
  private func putWatches(hasAll: Bool) throws {
    var hasAll = try hasAll && found.row(.limbo, of: LimboRow.overflow.number) == nil
    try found.forEachBatch(.watch) { rows in
      var hasBatch = true
      try environment.commit { transaction in
        for row in rows where try !put(watch: row, transaction) { hasBatch = false }
      }
      hasAll = hasAll && hasBatch
    }
    guard !hasAll else { return }
    try environment.commit { try tables.put(.overflow, in: $0) }
  }

  /// Puts a watch if its node is there, and returns whether it is.
  private func put(
    watch row: Harvest.Row, _ transaction: borrowing WriteTransaction
  ) throws -> Bool {
    guard let watch = row.watch, let record = try tables.record(watch.node, in: transaction)
    else { return false }
    try tables.put(watch, in: transaction)
    guard record.state == .stale else { return true }
    let reported = LimboRow(watch.node, isReported: true)
    let isReported = try found.row(.limbo, of: reported.number)?.words == [reported.value]
    try tables.put(LimboRow(watch.node, isReported: isReported), in: transaction)
    return true
  }

  /// Puts the places of the live nodes that were kept.
  private func putPlaces() throws {
    try found.forEachBatch(.place) { rows in
      try environment.commit { transaction in
        for place in rows.compactMap(\.place)
        where try tables.record(place.node, in: transaction)?.state == .live {
          try tables.put(place, in: transaction)
        }
      }
    }
  }

  /// Puts the aliases of the nodes that were kept, unless a node has the alias's key.
  private func putAliases() throws {
    try found.forEachBatch(.alias) { rows in
      try environment.commit { transaction in
        for alias in rows.compactMap(\.alias)
        where try tables.record(alias.node, in: transaction) != nil {
          guard let magic = filesystems[alias.filesystem]?.identity.magic else { continue }
          let key = IndexKey(alias.handle, on: alias.filesystem, magic)
          guard try tables.indexed(key, in: transaction) == nil else { continue }
          try tables.put(alias, under: key, in: transaction)
        }
      }
    }
  }

  // MARK: Nodes

  private func put(
    _ row: Harvest.Row, counting counts: inout Counts,
    in transaction: borrowing WriteTransaction
  ) throws {
    let id = NodeID(rawValue: row.id)
    guard id >= .first, var record = row.record, let handle = try handle(of: record, id) else {
      counts.dropped += 1
      return
    }
    let magic = filesystems[record.filesystem]?.identity.magic
    if record.state == .live {
      if magic == nil { counts.lostFilesystems.insert(record.filesystem) }
      if let (key, inode) = try magic.flatMap({ try key(of: record, id, handle: handle, on: $0) }) {
        try index(
          id, under: key, inode: inode, on: record.filesystem, counting: &counts, in: transaction)
      } else {
        record.enter(.stale, at: now)
        counts.retired += 1
      }
    }
    if magic == nil { record.leaveFilesystem() }
    try tables.append(&record, handle, for: id, in: transaction)
    counts.kept += 1
  }

  private func handle(of record: Record, _ id: NodeID) throws -> KernelFileHandle? {
    try record.inlineHandle ?? found.row(.spilled, of: id.rawValue)?.handle(of: record)
  }

  /// Returns a node's key, with the `st_ino` of its file if its handle is opaque. Returns `nil` if the
  /// `st_ino` is unknown: only the index had it, and its row may be lost.
  private func key(
    of record: Record, _ id: NodeID, handle: KernelFileHandle, on magic: FilesystemMagic
  ) throws -> (key: IndexKey, inode: UInt64)? {
    let key = IndexKey(handle, on: record.filesystem, magic)
    guard key.isOpaque else { return (key, 0) }
    guard let row = try found.row(.inode, of: id.rawValue), row.words[1] == PageFile.hash(key.bytes)
    else { return nil }
    return (key, row.words[0])
  }

  /// Puts a node into the index. If a node with a lower id has the same key, it becomes stale. The
  /// `st_ino` of an opaque handle is a hint, and the node with the highest id gets it.
  private func index(
    _ id: NodeID, under key: IndexKey, inode: UInt64, on filesystem: FilesystemID,
    counting counts: inout Counts, in transaction: borrowing WriteTransaction
  ) throws {
    if let old = try tables.indexed(key, in: transaction)?.node {
      try retire(old, under: key, in: transaction)
      counts.retired += 1
    }
    try tables.putKeys(key, of: id, inode: inode, on: filesystem, in: transaction)
  }

  private func retire(
    _ id: NodeID, under key: IndexKey, in transaction: borrowing WriteTransaction
  ) throws {
    guard var record = try tables.record(id, in: transaction) else { return }
    try tables.removeKeys(key, of: id, on: record.filesystem, in: transaction)
    record.enter(.stale, at: now)
    try tables.put(&record, for: id, in: transaction)
  }
}

extension Record {
  /// Takes the node off its filesystem. The row of that filesystem is lost, and another filesystem
  /// may get its number.
  fileprivate mutating func leaveFilesystem() { words[2] &= ~0xffff }
}
