internal import Synchronization
internal import SystemPackage

/// A filesystem can come back with less than it had: an image was put back to an earlier copy, or a
/// power cut took the newest files. Most filesystems give each new file a random generation, so
/// that no handle comes back. But btrfs counts both inode numbers and generations, and XFS often
/// counts generations. There the next new file can get the handle of a file that was lost.
extension Store {
  /// How often growth is noted, in nanoseconds.
  private static let interval: UInt64 = 60_000_000_000

  /// Marks filesystems that were put back to an earlier state. What has their identity now is
  /// another filesystem, whose files may have the same handles.
  func supersede(_ filesystems: [FilesystemID]) throws {
    for id in filesystems {
      try index.record(id) { known in
        var known = known
        known?.isSuperseded = true
        return known
      }
    }
  }

  /// Prepares a filesystem that is being attached. If it was mounted again since its growth was
  /// noted, retires the nodes of files that a power cut took. Then notes how far it has grown.
  ///
  /// - Returns: in a store opened for reading, the growth above which files may be lost; otherwise
  ///   `nil`.
  func resume(
    _ id: FilesystemID, on mount: OwnedDescriptor, growth: FilesystemGrowth?
  ) throws -> UInt64? {
    guard let growth, let known = index.filesystems[id] else { return nil }
    let era = try Era(of: mount.descriptor).text
    let mayHaveLost =
      known.era != "" && known.era != era && (known.newest > known.growth || !growth.isCounted)
    if isReadOnly { return mayHaveLost ? known.growth : nil }
    if mayHaveLost { try retireLost(of: id, on: mount, after: known.growth, growth) }
    try note(growth, era: era, of: id)
    return nil
  }

  /// Refuses a node whose file is lost, in a store opened for reading.
  @inline(__always)
  func requireNotLost(_ node: Node) throws {
    if isReadOnly { try requireFound(node) }
  }

  @inline(never)
  private func requireFound(_ node: Node) throws {
    guard let (mount, bound) = filesystems.suspect(node.filesystem),
      let magic = try? index.filesystems.magic(node.filesystem),
      let growth = FilesystemGrowth(of: mount.descriptor, magic)
    else { return }
    let files = LateFiles(mount: mount, magic: magic, certain: bound, growth: growth)
    if try files.haveLost(node.handle, since: node.since) { throw StoreError.stale(node.id) }
  }

  /// Notes how far a filesystem has grown. A full disk is no error here: without the note, the
  /// store only notices less.
  private func note(
    _ growth: FilesystemGrowth, era: String, of id: FilesystemID
  ) throws {
    guard let known = index.filesystems[id] else { return }
    // A clock may be set back. From then on, the time that it shows is the one to note.
    let certain = growth.isCounted ? max(known.growth, growth.certain) : growth.certain
    guard certain != known.growth || known.era != era else { return }
    do {
      try index.record(id) { known in
        guard var known else { return nil }
        known.growth = certain
        known.era = era
        return known
      }
    } catch {
      guard case .diskFull = index.describe(error) else { throw error }
    }
  }

  /// Notes the growth of all attached filesystems, at most once a minute.
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
    // Before the first registration, attaching has noted the growth.
    if isMine && due != 0 { noteGrowth() }
  }

  /// Notes the growth of all attached filesystems, except those that cannot be noted now.
  func noteGrowth() {
    guard !isReadOnly else { return }
    for (id, mount) in filesystems.attachments {
      guard let magic = try? index.filesystems.magic(id),
        let growth = FilesystemGrowth(of: mount.descriptor, magic),
        let era = try? Era(of: mount.descriptor).text
      else { continue }
      try? note(growth, era: era, of: id)
    }
  }

  /// Retires the nodes of files that are gone, and removes their aliases, among those made so late
  /// that they may not have reached the disk.
  private func retireLost(
    of filesystem: FilesystemID, on mount: OwnedDescriptor, after certain: UInt64,
    _ growth: FilesystemGrowth
  ) throws {
    let magic = try index.filesystems.magic(filesystem)
    let files = LateFiles(mount: mount, magic: magic, certain: certain, growth: growth)
    var next: NodeID? = .root
    while let start = next {
      let page = try nodes(from: start, on: filesystem, in: .live)
      for node in page.nodes where try files.haveLost(node.handle, since: node.since) {
        _ = try index.retire(node.id, ifItIs: node)
        counters.count(.retired)
      }
      next = page.next
    }
    next = .root
    while let start = next {
      let page = try index.aliases(from: start, nodes: 1024)
      for alias in page.aliases
      where try alias.filesystem == filesystem
        && files.haveLost(alias.handle, since: alias.since)
      {
        _ = try index.remove(alias)
      }
      next = page.next
    }
  }
}

/// The files of a filesystem that were made so late that they may not have reached the disk before a
/// power cut.
private struct LateFiles {
  let mount: OwnedDescriptor
  let magic: FilesystemMagic
  /// The growth that is certainly on the disk.
  let certain: UInt64
  let growth: FilesystemGrowth

  /// Whether the file of a node or alias was made so late, and is gone. A file that has its handle is
  /// another one if it was born after the handle was registered. On overlayfs the birth shows
  /// nothing, because a copy has its original's handle and a birth of its own.
  func haveLost(_ handle: KernelFileHandle, since: UInt32) throws -> Bool {
    guard let position = FilesystemGrowth.position(of: handle, since: since, magic),
      position > certain
    else { return false }
    if growth.isCounted && position > growth.now { return true }
    do throws(Errno) {
      let file = OwnedDescriptor(try handle.open(on: mount.descriptor, flags: SystemCalls.path))
      guard magic != .overlay else { return false }
      return try FullStatus(of: file.descriptor).birthSeconds > Int64(since)
    } catch .staleHandle {
      return true
    } catch {
      throw StoreError(error, "opening handle \(handle)")
    }
  }
}
