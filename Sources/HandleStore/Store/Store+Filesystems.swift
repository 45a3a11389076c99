internal import HandleLocks
public import SystemPackage

/// A filesystem that a store knows.
public struct Filesystem: Hashable, Sendable {
  /// The store's number for the filesystem.
  public let id: FilesystemID
  /// What distinguishes the filesystem from others.
  public let identity: FilesystemIdentity
  /// The name that ``Store/attach(_:named:)`` gave it, or `nil`.
  public let name: String?
  /// Whether the store can open files on the filesystem now.
  public let isAttached: Bool
  /// Whether the filesystem was put back to an earlier state. What has its UUID since then is
  /// another filesystem, and this one can no longer be attached.
  public let wasPutBack: Bool
}

extension Store {
  /// Attaches the filesystem that a file is on, so that its files can be registered and opened. The
  /// first time, the filesystem is introduced to the store.
  ///
  /// A filesystem is identified by its UUID, the handle of its root directory and the device that
  /// it is on. Its mount point, mount id and `st_dev` may differ each time. A copy or snapshot with
  /// the same UUID counts as another filesystem if its device shows that, and is refused if nothing
  /// distinguishes the two. A filesystem that was made anew, or put back to an earlier state, is
  /// another one too (Docs/Filesystems.md).
  ///
  /// Hosts that share a store may see one cluster filesystem under different sources or ids. Give it
  /// a name, the same at each of them: the first call records the name, and later ones find the
  /// filesystem by it, if its root directory has the same handle and birth. The store then also
  /// knows the mount of this host without the name.
  ///
  /// - Parameter descriptor: a directory or a regular file on the filesystem, also one opened with
  ///   `O_PATH`. It remains the caller's. The store keeps a descriptor of its own, so the
  ///   filesystem stays busy until ``detach(_:)`` or ``close()``.
  /// - Parameter name: 1 to 64 bytes without control characters; `nil` if UUID and source suffice.
  /// - Throws: ``StoreError/badValue(_:)`` if the name belongs to another filesystem, the filesystem
  ///   has another name, or no mount shows its root directory; ``StoreError/noHandles(_:)``, ``StoreError/ambiguousFilesystem(_:)``,
  ///   ``StoreError/tooManyFilesystems``, ``StoreError/readOnly`` if the filesystem is new, and
  ///   what a registration throws.
  /// - Complexity: O(mounts), and a write for a new filesystem. On btrfs, XFS and overlayfs
  ///   O(nodes) the first time after a mount; this opens each node that was registered in the last
  ///   minutes before the mount.
  @discardableResult
  public func attach(
    _ descriptor: FileDescriptor, named name: String? = nil
  ) throws(StoreError) -> FilesystemID {
    try withStoreErrors {
      // Another process may have introduced the filesystem since.
      if isReadOnly { try index.reloadFilesystems() }
      // The kernel does not report a filesystem's UUID on an `O_PATH` descriptor.
      let mount = OwnedDescriptor(try reopen(descriptor))
      let table = try FilesystemIdentity.mounts()
      let (identity, superblock) = try FilesystemIdentity.identify(mount.descriptor, in: table)
      if let name { try FilesystemName.check(name, for: identity) }
      return try attach(mount, identity, superblock, table) { growth in
        try index.introducing {
          try supersede(filesystems.putBack(identity, named: name, growth))
          let id =
            try filesystems.find(identity, named: name, superblock: superblock)
            ?? introduce(identity)
          if let name, !isReadOnly { try record(name, for: identity, of: id) }
          return id
        }
      }
    }
  }

  /// Notes the name of a filesystem, and the identity that it has here.
  private func record(
    _ name: String, for identity: FilesystemIdentity, of id: FilesystemID
  ) throws {
    guard var known = index.filesystems[id] else { return }
    let before = known.text
    known.take(name, for: identity)
    guard known.text != before else { return }
    try index.record(id) { known in
      var known = known
      known?.take(name, for: identity)
      return known
    }
  }

  /// Attaches a filesystem through an open file on it, if no copy of it is mounted too.
  ///
  /// - Parameters:
  ///   - table: the present mounts.
  ///   - find: returns its id, given how far it has grown; no other thread attaches meanwhile.
  private func attach(
    _ mount: OwnedDescriptor, _ identity: FilesystemIdentity, _ superblock: String,
    _ table: MountTable, find: (FilesystemGrowth?) throws -> FilesystemID
  ) throws -> FilesystemID {
    try requireNoTwin(of: identity, superblock, in: table)
    return try attaching.withLock { _ in
      let growth = FilesystemGrowth(of: mount.descriptor, identity.magic)
      let id = try find(growth)
      let isAttached = filesystems.isAttached(id, superblock: superblock)
      let suspect = isAttached ? nil : try resume(id, on: mount, growth: growth)
      try filesystems.attach(
        id, .init(mount: mount, identity.magic, superblock: superblock, suspect: suspect))
      return id
    }
  }

  /// Refuses a filesystem if a copy of it is mounted too and nothing distinguishes the two.
  private func requireNoTwin(
    of identity: FilesystemIdentity, _ superblock: String, in table: MountTable
  ) throws {
    guard identity.magic != .fuse, let twin = identity.twin(of: superblock, in: table) else {
      return
    }
    throw StoreError.ambiguousFilesystem(
      "the one on \(twin) has the same UUID, and nothing distinguishes their devices; give one of "
        + "them a new UUID (tune2fs -U, xfs_admin -U, btrfstune -u), or unmount it")
  }

  func introduce(_ identity: FilesystemIdentity) throws -> FilesystemID {
    while true {
      let id = try index.filesystems.nextID()
      try index.record(id) { $0 == nil ? KnownFilesystem(identity: identity) : nil }
      if index.filesystems[id]?.identity == identity { return id }
      // Another process has recorded another filesystem meanwhile.
      try index.reloadFilesystems()
    }
  }

  /// Opens a file again, because `open_by_handle_at(2)` takes no `O_PATH` descriptor for the mount.
  private func reopen(_ descriptor: FileDescriptor) throws -> FileDescriptor {
    do throws(Errno) {
      switch try FullStatus(of: descriptor).file.type {
      case .directory:
        return try SystemCalls.open(".", in: descriptor, flags: SystemCalls.directory)
      case .regular:
        return try SystemCalls.open(
          FilePath("/proc/self/fd/\(descriptor.rawValue)"), flags: SystemCalls.readOnly)
      default: throw .notDirectory
      }
    } catch {
      throw StoreError(error, "attaching the filesystem of \(descriptor.words)")
    }
  }

  /// Attaches every filesystem of the store that is mounted and visible to this process, through a
  /// writable mount if there is one. Filesystems that are already attached stay as they are.
  ///
  /// This looks only at mounts that may be of such a filesystem, and follows no path through a FUSE
  /// or network filesystem. So a server that does not answer can block it only if the store has the
  /// filesystem of that server.
  ///
  /// - Returns: all filesystems that are then attached.
  /// - Complexity: O(mounts)
  @discardableResult
  public func attachMounted() throws(StoreError) -> [FilesystemID] {
    try withStoreErrors {
      // Another process may have introduced some since.
      if isReadOnly || index.isShared { try index.reloadFilesystems() }
      try attachMounted(Set(index.filesystems.all.keys))
      return filesystems.attachments.map(\.id).sorted()
    }
  }

  /// Attaches those of some known filesystems that are mounted and visible to this process.
  ///
  /// - Returns: why one of them was not attached, if it may be a copy or a copy is mounted too.
  @discardableResult
  func attachMounted(_ wanted: Set<FilesystemID>) throws -> StoreError? {
    var ambiguity: StoreError?
    let known = index.filesystems.all.filter { wanted.contains($0.key) }.values
      .flatMap(\.identities)
    let table = try MountTable()
    let mounts = table.mounts.filter { mount in known.contains { $0.mayBe(on: mount) } }
    for mount in mounts.filter({ !$0.isReadOnly }) + mounts.filter(\.isReadOnly) {
      guard table.leads(to: mount),
        let root = try? OwnedDescriptor(
          SystemCalls.open(mount.point, flags: SystemCalls.directory))
      else { continue }
      ambiguity = attachIfKnown(root, mount, table, among: wanted) ?? ambiguity
    }
    return ambiguity
  }

  /// Attaches what is mounted at a place, if it is one of some filesystems of the store and not
  /// attached. Ignores a filesystem that cannot be attached; a call that needs it throws
  /// ``StoreError/notAttached(_:)``.
  ///
  /// - Returns: the error, if the filesystem is wanted but may be a copy; otherwise `nil`.
  private func attachIfKnown(
    _ root: OwnedDescriptor, _ mount: MountEntry, _ table: MountTable,
    among wanted: Set<FilesystemID>
  ) -> StoreError? {
    guard let (identity, superblock) = try? FilesystemIdentity.of(root.descriptor),
      superblock == mount.device
    else { return nil }
    do {
      _ = try attach(root, identity, superblock, table) { growth in
        guard filesystems.putBack(identity, growth).isEmpty,
          let id = try filesystems.find(identity, superblock: superblock),
          wanted.contains(id), !filesystems.isAttached(id, superblock: superblock)
        else { throw NotToAttach() }
        return id
      }
      return nil
    } catch let error as StoreError where error.code == .ambiguousFilesystem {
      let isWanted = index.filesystems.all.contains {
        wanted.contains($0.key) && $0.value.matches(identity)
      }
      return isWanted ? error : nil
    } catch {
      return nil
    }
  }

  private struct NotToAttach: Error {}

  /// Detaches a filesystem, so that it can be unmounted. Its nodes stay, but cannot be opened until
  /// it is attached again.
  public func detach(_ filesystem: FilesystemID) { filesystems.detach(filesystem) }

  /// Returns the filesystems that the store knows, in the order of their ids.
  public func knownFilesystems() -> [Filesystem] {
    index.filesystems.all.sorted { $0.key < $1.key }.map { id, known in
      Filesystem(
        id: id, identity: known.identity, name: known.name, isAttached: filesystems.isAttached(id),
        wasPutBack: known.isSuperseded)
    }
  }
}

extension FilesystemIdentity {
  /// Returns the identity of the filesystem that a file is on, and the device number of its
  /// superblock, or throws the error for the user.
  ///
  /// - Parameter table: the present mounts, if they are known.
  static func identify(
    _ descriptor: FileDescriptor, in table: MountTable? = nil
  ) throws(StoreError) -> (identity: FilesystemIdentity, superblock: String) {
    do throws(Errno) {
      guard let table else { return try of(descriptor) }
      return try of(descriptor, in: table)
    } catch {
      if error == .notSupported, let status = try? FilesystemStatus(of: descriptor) {
        throw .noHandles(status.magic)
      }
      throw StoreError(error, "identifying the filesystem")
    }
  }

  /// Returns the present mounts.
  fileprivate static func mounts() throws(StoreError) -> MountTable {
    do throws(Errno) {
      return try MountTable()
    } catch {
      throw StoreError(error, "identifying the filesystem")
    }
  }
}

/// The name that an administrator gives a filesystem.
private enum FilesystemName {
  /// Throws unless a filesystem can have the name.
  static func check(
    _ name: String, for identity: FilesystemIdentity
  ) throws(StoreError) {
    // A mark at the start would be one character with the blank before it in the store's text.
    guard (1...64).contains(name.utf8.count), name.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }),
      " \(name)".first == " "
    else {
      throw .badValue(
        "the name of a filesystem must have 1 to 64 bytes, none of them a control character, and "
          + "must not begin with a combining mark")
    }
    guard identity.magic != .fuse else {
      throw .badValue(
        "a FUSE filesystem cannot have a name: its server may give other files the same handles "
          + "after a restart")
    }
    guard identity.root != nil else {
      throw .badValue(
        "a filesystem with a name is told from others by its root directory, and no mount shows it; "
          + "mount the whole filesystem, too")
    }
  }
}
