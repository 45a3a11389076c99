internal import CHandleFS
internal import Glibc
internal import HandleStore
internal import SystemPackage

extension Server {
  func lookup(_ parent: UInt64, _ name: FilePath) throws -> Entry {
    let directory = try path(parent)
    if name == "." { return try ownEntry(of: directory, node(parent)) }
    if name == ".." { return try parentEntry(of: parent, directory) }
    return try entry(of: find(name, in: directory), in: parent)
  }

  /// A name in a directory; what is mounted there, where mounts are crossed.
  func find(_ name: FilePath, in directory: BackingFile) throws -> BackingFile {
    do {
      return try withDescriptors { try directory.path(of: name) }
    } catch {
      guard options.crossesMounts, Errno(any: error) == .improperLink else { throw error }
    }
    let file = try withDescriptors { try directory.path(of: name, crossesMounts: true) }
    // This server would wait for itself.
    guard try file.device != device else { throw Errno.improperLink }
    return file
  }

  /// The entry of a file that was found in a directory.
  ///
  /// - Parameter keeps: whether the file stays open, because more is likely to be asked of it.
  func entry(of file: BackingFile, in parent: UInt64?, keeps: Bool = true) throws -> Entry {
    let status = try file.status
    let node = try registered(file, status, in: parent, pinnedBy: lookups).node
    if keeps { files.insert(file, node, .path) }
    return try entry(node, status)
  }

  /// Registers a file that was found in a directory.
  func registered(
    _ file: BackingFile, _ status: stat, in parent: UInt64?, pinnedBy pins: Pins? = nil
  ) throws -> Registration {
    let registration = try store.register(
      KernelFileHandle(of: file.descriptor), status: FileStatus(status),
      on: filesystems.filesystem(of: file, status),
      parent: parent.map(node), pinnedBy: pins)
    if case .replaced(let old) = registration.outcome { forgetReplaced(old) }
    return registration
  }

  /// The entry of a node that the kernel asks for by its number.
  private func ownEntry(of file: BackingFile, _ node: NodeID) throws -> Entry {
    let status = try file.status
    guard try store.pin(node, by: lookups) else { throw StoreError.unknownNode(node) }
    return try entry(node, status)
  }

  /// The entry of a node that is pinned; where that fails, it is not pinned any more.
  func entry(_ node: NodeID, _ status: stat) throws -> Entry {
    let (number, generation) = wire(node)
    do {
      return Entry(
        node: number, generation: generation, status: try filesystems.shown(status, node),
        seconds: options.cacheTimeout)
    } catch {
      if lookups.unpin(node) == 0 { files.remove(node) }
      throw error
    }
  }

  /// The root is its own parent. A directory may have been moved out of it, behind the mount's back: then
  /// it has none here.
  private func parentEntry(of number: UInt64, _ directory: BackingFile) throws -> Entry {
    guard node(number) != export.root else { return try ownEntry(of: directory, export.root) }
    let file = try directory.path(of: "..")
    let entry = try entry(of: file, in: nil)
    // What is mounted inside is inside as a whole.
    guard try filesystems.filesystem(of: file, file.status) == filesystems.main else {
      return entry
    }
    let parent = node(entry.node)
    do {
      try export.open(.node(parent), .path).close()
      return entry
    } catch {
      if lookups.unpin(parent) == 0 { files.remove(parent) }
      throw error
    }
  }

  /// A node's inode belongs to another file now. What the kernel has of the old one must not be taken
  /// for that, before it hears of the new one.
  private func forgetReplaced(_ old: NodeID) {
    files.remove(old)
    notifier.invalidate(wire(old).number)
  }

  /// The kernel takes back lookups of a node.
  func forget(_ number: UInt64, _ count: UInt64) {
    let node = node(number)
    if lookups.unpin(node, count: count) == 0 { isForgotten(node) }
  }

  /// The kernel knows a node no more.
  func isForgotten(_ node: NodeID) {
    files.remove(node)
    orphans.release(node)
    housekeeping.isForgotten(node)
    // Nobody asked for it, so nobody is told where it fails.
    _ = try? store.forget(node)
  }
}

extension FileStatus {
  init(_ status: stat) {
    self.init(
      inode: UInt64(status.st_ino), mode: status.st_mode,
      links: UInt32(truncatingIfNeeded: status.st_nlink), size: UInt64(status.st_size),
      device: UInt64(status.st_dev))
  }
}
