internal import Synchronization
internal import SystemPackage

/// A filesystem can come back with less than it had: an image was put back to an earlier copy, or a power
/// cut took the newest files. Most filesystems give each new file a random generation, so that no handle
/// comes back (XFS has an exception: Docs/Filesystems.md). On btrfs an inode number and a generation are both counted, and the next new file has the
/// handle of the one that is lost.
extension Store {
  /// How often growth is noted, in nanoseconds.
  private static let interval: UInt64 = 60_000_000_000

  /// Marks filesystems that were put back to an earlier state: what has their identity now is another one,
  /// whose files may have the same handles.
  func supersede(_ filesystems: [FilesystemID]) throws {
    for id in filesystems {
      guard let writer else { throw StoreError.readOnly }
      try writer.perform(
        RecordingFilesystem(id: id) { known in
          var known = known
          known?.isSuperseded = true
          return known
        })
    }
  }

  /// Prepares a filesystem that is attached: retires the nodes of files that a power cut may have taken,
  /// if it was mounted since, and notes how far it has grown.
  ///
  /// - Returns: for a store that is only read, the generation above which nodes may be such.
  func resume(
    _ id: FilesystemID, _ mount: OwnedDescriptor, _ growth: FilesystemGrowth?
  ) throws -> UInt64? {
    guard let growth, let known = filesystems.known(id) else { return nil }
    let era = try Era(of: mount.descriptor).text
    let mayHaveLost = known.newest > known.growth && known.era != era
    guard let writer else { return mayHaveLost ? known.growth : nil }
    if mayHaveLost { try retireLost(id, mount, after: known.growth, now: growth.now) }
    try note(growth, era, id, writer)
    return nil
  }

  /// Refuses a node whose file may be lost, in a store that is only read.
  @inline(__always)
  func requireNotLost(_ node: Node) throws {
    if writer == nil { try requireFound(node) }
  }

  @inline(never)
  private func requireFound(_ node: Node) throws {
    guard let (mount, bound) = filesystems.suspect(node.filesystem),
      let magic = try? filesystems.magic(node.filesystem),
      let generation = node.handle.identity(on: magic)?.generation, generation > bound,
      let growth = FilesystemGrowth(of: mount.descriptor, magic)
    else { return }
    if try isLost(node, generation, mount, now: growth.now) { throw StoreError.stale(node.id) }
  }

  /// Notes how far a filesystem has grown. Without it less is noticed; a full disk is no reason to fail.
  private func note(
    _ growth: FilesystemGrowth, _ era: String, _ id: FilesystemID, _ writer: Writer
  ) throws {
    guard let known = filesystems.known(id), growth.certain > known.growth || known.era != era
    else {
      return
    }
    do {
      try writer.perform(
        RecordingFilesystem(id: id) { known in
          guard var known else { return nil }
          known.growth = max(known.growth, growth.certain)
          known.era = era
          return known
        })
    } catch {
      guard case .diskFull = StoreError(any: error, path: path) else { throw error }
    }
  }

  /// Notes the growth of all filesystems that are attached, at most once a minute.
  @inline(__always)
  func noteGrowth(at now: UInt64) {
    let due = nextNote.load(ordering: .relaxed)
    guard now >= due else { return }
    noteGrowth(due: due, at: now)
  }

  @inline(never)
  private func noteGrowth(due: UInt64, at now: UInt64) {
    let (isMine, _) = nextNote.compareExchange(
      expected: due, desired: now + Self.interval, ordering: .relaxed)
    // A new store has noted what there is when it attached it.
    if isMine && due != 0 { noteGrowth() }
  }

  /// Notes the growth of all filesystems that are attached. What cannot be noted is noted another time.
  func noteGrowth() {
    guard let writer else { return }
    for (id, mount) in filesystems.attachments {
      guard let magic = try? filesystems.magic(id),
        let growth = FilesystemGrowth(of: mount.descriptor, magic),
        let era = try? Era(of: mount.descriptor).text
      else { continue }
      try? note(growth, era, id, writer)
    }
  }

  /// Retires the nodes, and aliases, of files that were made by transactions which may not have reached the disk. A file
  /// that has such a handle now is another one if it was born after the node was minted.
  private func retireLost(
    _ filesystem: FilesystemID, _ mount: OwnedDescriptor, after certain: UInt64, now: UInt64
  ) throws {
    let magic = try filesystems.magic(filesystem)
    var next: NodeID? = .root
    while let start = next {
      let page = try nodes(from: start, on: filesystem)
      for node in page.nodes where node.state != .stale {
        guard let generation = node.handle.identity(on: magic)?.generation,
          generation > certain, try isLost(node, generation, mount, now: now)
        else { continue }
        _ = try writer?.perform(Retiring(id: node.id, file: node))
        counters.count(.retired)
      }
      next = page.next
    }
  }

  private func isLost(
    _ node: Node, _ generation: UInt32, _ mount: OwnedDescriptor, now: UInt64
  ) throws -> Bool {
    if generation > now { return true }
    do throws(Errno) {
      let file = OwnedDescriptor(
        try node.handle.open(on: mount.descriptor, flags: SystemCalls.path))
      return try FullStatus(of: file.descriptor).birthSeconds > Int64(node.since)
    } catch .staleHandle {
      return true
    } catch {
      throw StoreError(error, "opening node \(node.id)")
    }
  }
}
