internal import CHandleFS
internal import Glibc
internal import HandleStore
internal import SystemPackage

extension Server {
  func lookup(_ parent: UInt64, _ name: FilePath) throws -> Entry {
    let directory = try path(parent)
    if name == "." { return try ownEntry(of: directory, node(parent)) }
    if name == ".." { return try parentEntry(of: parent, directory) }
    let file: BackingFile
    do {
      file = try find(name, in: directory)
    } catch {
      guard Errno(any: error) == .noSuchFileOrDirectory,
        let absence = try absence(in: directory)
      else { throw error }
      return absence
    }
    return try entry(of: file, in: parent)
  }

  /// Returns the entry of a name that does not exist, or `nil` if the kernel is not to remember that.
  private func absence(in directory: BackingFile) throws -> Entry? {
    guard times.wantsChanges else { return nil }
    let time = times.timeOfAbsence(on: try directory.status.st_dev)
    guard time > 0 else { return nil }
    return Entry(node: 0, generation: 0, status: stat(), nameTime: time, statusTime: 0)
  }

  /// Finds a name in a directory. If mounts are crossed, finds what is mounted there.
  func find(_ name: FilePath, in directory: BackingFile) throws -> BackingFile {
    do {
      return try withDescriptors { try directory.path(of: name) }
    } catch {
      guard options.crossesMounts, Errno(any: error) == .improperLink else { throw error }
    }
    let file = try withDescriptors { try directory.path(of: name, crossesMounts: true) }
    // The name leads to a mount that this process serves: it would wait for itself.
    guard try !neighbours.contains(device: file.device) else { throw Errno.improperLink }
    return file
  }

  /// Registers a file that was found in a directory, and returns its entry.
  ///
  /// - Parameter caches: whether the file stays open, because more requests for it are likely.
  func entry(of file: BackingFile, in parent: UInt64?, caches: Bool = true) throws -> Entry {
    let seen = try sighting(of: file)
    FaultPoint.wait(at: .statusRead)
    // Before the node is pinned: then it is certain that the kernel does not believe anything of it.
    if hasSetID(seen.status.st_mode) {
      try setID.add(registered(file, seen.handle, seen.status, in: parent).node)
    }
    let node = try registered(file, seen.handle, seen.status, in: parent, pinnedBy: lookups).node
    if caches { files.insert(file, of: node, for: .path) }
    return try entry(of: seen, node)
  }

  /// What is seen of a file before it is registered.
  func sighting(of file: BackingFile) throws -> Sighting {
    let handle = try KernelFileHandle(identifying: file.descriptor)
    let count = times.count(handle)
    return Sighting(handle: handle, changes: count, status: try file.status)
  }

  /// Returns the entry of a file whose node was pinned after the file was seen.
  func entry(of seen: Sighting, _ node: NodeID) throws -> Entry {
    // Only now is the node known. But the changes are counted again after this, so that a change since
    // the status was read is noticed.
    let wasWritten = written.isAboutToTell(node)
    let time = times.time(on: seen.status.st_dev, seen.handle, since: seen.changes)
    FaultPoint.wait(at: .timeChosen)
    return try entry(node, seen.status, for: time, wasWritten: wasWritten)
  }

  /// Registers a file that was found in a directory.
  func registered(
    _ file: BackingFile, _ handle: KernelFileHandle, _ status: stat, in parent: UInt64?,
    pinnedBy pins: Pins? = nil
  ) throws -> Registration {
    let (filesystem, parent) = (try filesystems.filesystem(of: file, status), parent.map(node))
    let registration =
      if let kept {
        try keep(file, in: parent, on: filesystem, pinnedBy: pins, by: kept)
      } else {
        try store.register(
          FoundFile(handle: handle, status: FileStatus(status), parent: parent), on: filesystem,
          pinnedBy: pins)
      }
    if case .replaced(let old) = registration.outcome { forgetReplaced(old) }
    return registration
  }

  /// Returns the entry of a node that the kernel looks up as `.`.
  private func ownEntry(of file: BackingFile, _ node: NodeID) throws -> Entry {
    // Also keeps the file, if it was given up meanwhile.
    if kept != nil { return try entry(of: file, in: nil) }
    let wasWritten = written.isAboutToTell(node)
    let status = try file.status
    if hasSetID(status.st_mode) { try setID.add(node) }
    guard try store.pin(node, by: lookups) else { throw StoreError.unknownNode(node) }
    return try entry(node, status, for: times.brief, wasWritten: wasWritten)
  }

  /// Returns the entry of a pinned node. If this fails, it takes the pin back.
  ///
  /// - Parameters:
  ///   - time: for how long the kernel may believe it.
  ///   - wasWritten: what ``WrittenFiles/isAboutToTell(_:)`` returned.
  func entry(
    _ node: NodeID, _ status: stat, for time: Double, wasWritten: Bool
  ) throws -> Entry {
    let (number, generation) = wire(node)
    bound?.note(node, among: lookups.nodeCount)
    do {
      return Entry(
        node: number, generation: generation, status: try filesystems.shown(status, node),
        nameTime: time, statusTime: mayBelieve(node, wasWritten: wasWritten) ? time : 0)
    } catch {
      takeBack(node)
      throw error
    }
  }

  /// Returns the entry of a directory's parent. The root is its own parent. A directory that was
  /// moved out of the root behind the mount's back has no parent here: the call throws.
  private func parentEntry(of number: UInt64, _ directory: BackingFile) throws -> Entry {
    guard node(number) != root else { return try ownEntry(of: directory, root) }
    let file = try directory.path(of: "..")
    let entry = try entry(of: file, in: nil)
    // A filesystem that is mounted inside the root lies completely inside the root.
    guard try filesystems.filesystem(of: file, file.status) == filesystems.main else {
      return entry
    }
    let parent = node(entry.node)
    do {
      try source.open(parent).close()
      return entry
    } catch {
      takeBack(parent)
      throw error
    }
  }

  /// Takes back a lookup of which the kernel does not hear.
  private func takeBack(_ node: NodeID) {
    guard lookups.unpin(node) == 0 else { return }
    files.remove(node)
    setID.remove(node)
  }

  /// Makes the server and the kernel forget a node whose inode now belongs to another file. This
  /// must happen before the kernel hears of the new node, or it could take the old attributes for
  /// the new file's.
  func forgetReplaced(_ old: NodeID) {
    files.remove(old)
    invalidation.invalidate(old)
  }

  /// Takes back lookups that the kernel has forgotten.
  func forget(_ number: UInt64, _ count: UInt64) {
    let node = node(number)
    if lookups.unpin(node, count: count) == 0 { letGo(of: node) }
  }

  /// Lets go of a node that the kernel has forgotten.
  func letGo(of node: NodeID) {
    files.evict(node)
    setID.remove(node)
    if let file = orphans.release(node) { closing.close(file) }
    housekeeping.noteForgotten(node)
    _ = try? kept?.giveUp(node)
  }
}

/// A file's handle, how often it had changed before its status was read, and its status.
struct Sighting {
  let handle: KernelFileHandle
  let changes: CacheTimes.Count
  let status: stat
}

extension FileStatus {
  init(_ status: stat) {
    self.init(
      inode: UInt64(status.st_ino), mode: status.st_mode,
      links: UInt32(truncatingIfNeeded: status.st_nlink), size: UInt64(status.st_size),
      device: UInt64(status.st_dev))
  }
}
