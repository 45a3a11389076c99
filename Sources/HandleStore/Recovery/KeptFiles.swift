internal import Glibc
internal import HandleLocks
public import SystemPackage

/// The files below a directory whose filesystem cannot open handles, or that this process may not
/// open by handle (`CAP_DAC_READ_SEARCH`). They are kept open, as paths (`O_PATH`), and the store
/// finds them by their nodes. This is what an ``Export`` is for filesystems with handles.
///
/// A file is kept as long as a client has pinned its node. The descriptors are parked in another
/// process too (``Parking``), so they outlive this one. When both processes have ended, the nodes
/// are stale: nothing leads from a node to its file any more. So after a remount all files get new
/// nodes.
///
/// While a file is kept, no other file can have its inode number. Afterwards its node comes back
/// with the file if the generation in its handle proves that it is the same file
/// (``isNodeLasting(_:)``). Otherwise the node is dropped, and the file gets a new one.
///
/// ```swift
/// let kept = try store.keepFiles(below: directory, limit: 10_000, parking: parking)
/// let found = try kept.register(file, in: parent, pinnedBy: pins)                 // LOOKUP
/// let descriptor = try store.open(found.node, as: .readOnly)                      // OPEN
/// if pins.unpin(found.node, count: 1) == 0 { try kept.giveUp(found.node) }        // FORGET
/// ```
///
/// Any thread may make any call.
public final class KeptFiles: Sendable {
  /// The directory's node. It is held as long as this object exists.
  public let root: NodeID
  /// The directory's filesystem.
  public let filesystem: FilesystemID
  /// How many files to keep at most. Each takes a descriptor here and one where it is parked.
  public let limit: Int

  package let store: Store
  private let directory: OwnedDescriptor
  private let parking: Parking?
  private var table: KeptTable { store.kept }
  /// Held while a file is added or removed, and parked or released: the messages keep this order.
  private let order = Locked(())

  init(
    _ store: Store, below directory: OwnedDescriptor, root: NodeID, on filesystem: FilesystemID,
    limit: Int, parking: Parking?
  ) {
    (self.store, self.directory, self.root) = (store, directory, root)
    (self.filesystem, self.limit, self.parking) = (filesystem, limit, parking)
  }

  deinit {
    for node in table.nodes { _ = table.remove(node) }
    store.holds.release(root: root)
  }

  /// How many files are kept.
  public var count: Int { table.count }

  /// Returns the number of the filesystem that a file is on, such as one that is mounted below the
  /// directory. It is valid for as long as a file there is kept.
  ///
  /// - Throws: ``StoreError/tooManyFilesystems``, ``StoreError/system(_:_:)``.
  /// - Complexity: O(mounts), and a write for a new filesystem.
  public func attach(_ file: FileDescriptor) throws(StoreError) -> FilesystemID {
    try store.withStoreErrors { try store.attachKept(file) }
  }

  /// Registers a file and keeps it.
  ///
  /// - Parameters:
  ///   - file: the file, open in any way. It stays the caller's.
  ///   - parent: the node of the directory in which the file was found, if known.
  ///   - filesystem: the file's filesystem; `nil` for the directory's own.
  ///   - pins: where to count a pin for the node.
  /// - Throws: ``StoreError/system(_:_:)`` with `ENFILE` if ``limit`` files are kept: give some up,
  ///   or have the clients forget some; ``StoreError/tooManyOpenFiles``, and what
  ///   ``Store/register(_:on:pinnedBy:)`` and ``Parking/park(_:of:)`` throw. It is no error if the
  ///   other process is gone: ``park()`` follows.
  /// - Complexity: that of ``Store/register(_:on:pinnedBy:)``, and for a file that was not kept three
  ///   system calls. It waits if the other process does not keep up.
  public func register(
    _ file: FileDescriptor, in parent: NodeID? = nil, on filesystem: FilesystemID? = nil,
    pinnedBy pins: Pins? = nil
  ) throws(StoreError) -> Registration {
    let found = FoundFile(
      handle: try KernelFileHandle(identifying: file), status: try FileStatus(of: file),
      parent: parent)
    let filesystem = filesystem ?? self.filesystem
    if count >= limit { try requireKept(found, on: filesystem) }
    let registration = try store.register(found, on: filesystem, pinnedBy: pins)
    do throws(StoreError) {
      try keep(file, of: registration.node)
    } catch {
      pins?.unpin(registration.node)
      throw error
    }
    return registration
  }

  private func requireKept(
    _ file: FoundFile, on filesystem: FilesystemID
  ) throws(StoreError) {
    if let node = try store.node(of: file.handle, on: filesystem), table[node.id] != nil { return }
    throw .system(
      .tooManyOpenFilesInSystem,
      "keeping a file when \(limit) are kept already and in use; raise the limit of open files "
        + "(RLIMIT_NOFILE)")
  }

  private func keep(_ file: FileDescriptor, of node: NodeID) throws(StoreError) {
    guard table[node] == nil else { return }
    do throws(Errno) {
      let path = OwnedDescriptor(try SystemCalls.asPath(file))
      try order.withLock { (_) throws(Errno) in
        table.insert(path, of: node)
        try park(path, of: node)
      }
    } catch {
      throw StoreError(error, "keeping the file of node \(node)")
    }
  }

  private func park(_ file: OwnedDescriptor, of node: NodeID) throws(Errno) {
    do throws(StoreError) {
      try parking?.park(file.descriptor, of: node)
    } catch {
      // If the other process has ended, all files are parked in the next one.
      guard [.brokenPipe, .connectionReset].contains(error.errno) else { throw error.errno }
    }
  }

  /// Returns the node of a file, or `nil` if it has none.
  ///
  /// - Complexity: O(log nodes), and one to three system calls.
  public func node(
    of file: FileDescriptor, on filesystem: FilesystemID? = nil
  ) throws(StoreError) -> NodeID? {
    try store.node(
      of: KernelFileHandle(identifying: file), on: filesystem ?? self.filesystem)?.id
  }

  /// Opens the file of a node that a client named, if it is below the directory.
  ///
  /// Only the name by which the file was opened counts. ``Store/open(_:as:)`` opens the file wherever
  /// it is.
  ///
  /// - Throws: ``StoreError/stale(_:)`` if the file is not kept, ``StoreError/refused(_:)`` if it is
  ///   outside or that name was removed, and what ``Store/open(_:as:)`` throws.
  /// - Complexity: seven system calls.
  public func open(_ node: NodeID, as mode: OpenMode = .path) throws(StoreError) -> FileDescriptor {
    try store.withStoreErrors {
      let file = OwnedDescriptor(try store.open(node))
      guard try isBelow(file.descriptor) else { throw GateRefusal.outside }
    }
    return try store.open(node, as: mode)
  }

  /// Whether the kernel's path of a file leads to it from the directory.
  private func isBelow(_ file: FileDescriptor) throws(Errno) -> Bool {
    let top = try KernelPath(of: directory.descriptor)
    guard let path = try KernelPath(of: file).below(top) else { return false }
    guard
      let there = try? OwnedDescriptor(
        SystemCalls.open(path.relative, in: directory.descriptor, flags: SystemCalls.pathOfName))
    else { return false }
    return try FullStatus(of: there.descriptor).file.isOfSameFile(
      as: FullStatus(of: file).file)
  }

  // MARK: Giving up

  /// Returns whether a file's node stays the same after the file was given up: its handle has a
  /// generation, which proves that no other file has its inode number.
  ///
  /// - Complexity: no system call.
  public func isNodeLasting(_ node: Node) -> Bool {
    store.hasLastingHandle(node)
  }

  /// Closes a node's file and releases it where it is parked, if nobody holds the node. Drops the
  /// node if it could not be found again.
  ///
  /// - Returns: whether the file is not kept any more.
  /// - Throws: what ``Store/forget(_:)`` throws.
  /// - Complexity: O(log nodes), and two system calls.
  @discardableResult
  public func giveUp(_ id: NodeID) throws(StoreError) -> Bool {
    if let node = try store.node(id), !isNodeLasting(node), try !store.dropUnheld([id]) {
      return false
    }
    return order.withLock { _ in
      guard let file = table.remove(id, if: { !store.holds.isHeld(id) }) else {
        return table[id] == nil
      }
      withExtendedLifetime(file) {}
      // If the other process has ended, its files have gone with it.
      try? parking?.release(id)
      return true
    }
  }

  /// Returns up to `limit` of the kept files that were not used for longest. To make room, have the
  /// clients forget them.
  ///
  /// - Complexity: O(kept files)
  public func leastRecentlyUsed(_ limit: Int) -> [NodeID] {
    table.leastRecentlyUsed(limit).filter { $0 != root }
  }

  /// Checks the next `limit` of the kept files, and returns the nodes of those that have lost their
  /// last name: they take space as long as they are kept. Calls go round.
  ///
  /// - Complexity: O(`limit`): a system call for each.
  public func nameless(amongNext limit: Int) -> [NodeID] {
    table.next(limit).filter { (try? FullStatus(of: $0.file.descriptor))?.file.links == 0 }
      .map(\.node)
  }

  /// Parks all files, because ``Parking/move(to:)`` has led to a new process that has none of them.
  ///
  /// - Throws: what ``Parking/park(_:of:)`` throws.
  /// - Complexity: O(kept files): a system call for each.
  public func park() throws(StoreError) {
    for node in table.nodes {
      try order.withLock { (_) throws(StoreError) in
        if let file = table[node] { try parking?.park(file.descriptor, of: node) }
      }
    }
  }
}
