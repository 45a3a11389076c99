internal import Synchronization
public import SystemPackage

/// A filesystem that a store knows.
public struct Filesystem: Hashable, Sendable {
  /// The store's number for it.
  public let id: FilesystemID
  /// Its kind.
  public let magic: FilesystemMagic
  /// Its UUID, or where it has none the id of `statfs(2)`; in hexadecimal.
  public let uuid: String
  /// Whether ``uuid`` is a UUID: the id of `statfs(2)` may be another one after a remount.
  public let isUUID: Bool
  /// The handle of its root directory, where that is known.
  public let root: KernelFileHandle?
  /// The device it is on, as far as that has a name that outlives a reboot; else empty.
  public let volume: String
  /// Whether files on it can be opened through this store now.
  public let isAttached: Bool
  /// Whether an earlier state of it was put back since: what has its UUID then is another filesystem, and
  /// this one cannot be attached any more.
  public let wasPutBack: Bool
}

extension Store {
  /// Introduces the filesystem that a file is on, or finds it again, and attaches it: from here on
  /// its files can be registered and opened.
  ///
  /// A filesystem is known by its UUID, the handle of its root directory and the device it is on; a
  /// mount point, mount id and `st_dev` may be others each time. A copy or snapshot with the same UUID
  /// is another filesystem if its device tells, and refused if nothing tells. A filesystem that was made
  /// anew, or put back to an earlier state, is another one too (Docs/Filesystems.md).
  ///
  /// - Parameter descriptor: a directory on the filesystem, or a regular file; `O_PATH` too. It stays
  ///   the caller's. The store keeps a descriptor of its own, so the filesystem stays busy until
  ///   ``detach(_:)`` or ``close()``.
  /// - Throws: ``StoreError/noHandles(_:)``, ``StoreError/ambiguousFilesystem(_:)``,
  ///   ``StoreError/tooManyFilesystems``, ``StoreError/readOnly`` where it is new, and what a registration throws.
  /// - Complexity: O(mounts); for a new filesystem a commit. On btrfs, XFS and overlayfs O(nodes) the first time
  ///   after a mount, and each node that was registered in the last minutes before is opened.
  @discardableResult
  public func attach(_ descriptor: FileDescriptor) throws(StoreError) -> FilesystemID {
    try guarded {
      // Another process may have introduced it since.
      if writer == nil { try loadFilesystems() }
      // A filesystem does not tell its UUID by an `O_PATH` descriptor.
      let mount = OwnedDescriptor(try reopen(descriptor))
      let (identity, superblock) = try identify(mount.descriptor)
      try requireNoTwin(of: identity, superblock)
      return try attaching.withLock { _ in
        let growth = FilesystemGrowth(of: mount.descriptor, identity.magic)
        try supersede(filesystems.putBack(identity, growth))
        let found = try filesystems.find(identity, superblock: superblock)
        let id = try found ?? introduce(identity)
        let isAttached = filesystems.isAttached(id, superblock: superblock)
        let suspect = isAttached ? nil : try resume(id, mount, growth)
        try filesystems.attach(id, .init(mount: mount, superblock: superblock, suspect: suspect))
        return id
      }
    }
  }

  /// A filesystem is told from a copy that is mounted too, or refused.
  private func requireNoTwin(of identity: FilesystemIdentity, _ superblock: String) throws {
    guard identity.magic != .fuse, let twin = try identity.twin(of: superblock) else { return }
    throw StoreError.ambiguousFilesystem(
      "what is mounted on \(twin) has the same UUID, and nothing tells their devices apart; give one "
        + "of them a new UUID (tune2fs -U, xfs_admin -U, btrfstune -u), or unmount it")
  }

  private func identify(
    _ descriptor: FileDescriptor
  ) throws -> (identity: FilesystemIdentity, superblock: String) {
    do throws(Errno) {
      return try FilesystemIdentity.of(descriptor)
    } catch .notSupported {
      throw try StoreError.noHandles(FilesystemStatus(of: descriptor).magic)
    } catch {
      throw StoreError(error, "identifying the filesystem")
    }
  }

  private func introduce(_ identity: FilesystemIdentity) throws -> FilesystemID {
    guard let writer else { throw StoreError.readOnly }
    let id = try filesystems.unused()
    try writer.perform(
      RecordingFilesystem(id: id) { _ in KnownFilesystem(identity: identity) })
    return id
  }

  /// `open_by_handle_at(2)` takes no `O_PATH` descriptor for the mount.
  private func reopen(_ descriptor: FileDescriptor) throws -> FileDescriptor {
    let type = try FileStatus(of: descriptor).type
    switch type {
    case .directory:
      return try SystemCalls.open(".", in: descriptor, flags: SystemCalls.directory)
    case .regular:
      return try SystemCalls.open(
        FilePath("/proc/self/fd/\(descriptor.rawValue)"), flags: SystemCalls.readOnly)
    default: throw StoreError.system(.notDirectory, "attaching by a file that is not a directory")
    }
  }

  /// Attaches every filesystem of the store that is mounted where this process sees it, through a
  /// mount that can be written to where there is one. What is attached already stays as it is.
  ///
  /// Only mounts that may be of such a filesystem are looked at, and never one to which the way leads
  /// through a FUSE or network filesystem: a server that does not answer holds nobody up here.
  ///
  /// - Returns: the filesystems that are attached then.
  /// - Complexity: O(mounts)
  @discardableResult
  public func attachMounted() throws(StoreError) -> [FilesystemID] {
    try guarded {
      // Another process may have introduced some since.
      if writer == nil { try loadFilesystems() }
      let known = filesystems.all.map(\.1)
      let table = try MountTable()
      let mounts = table.mounts.filter { mount in known.contains { $0.mayBe(on: mount) } }
      for mount in mounts.filter({ !$0.isReadOnly }) + mounts.filter(\.isReadOnly) {
        guard table.leads(to: mount),
          let root = try? OwnedDescriptor(
            SystemCalls.open(mount.point, flags: SystemCalls.directory))
        else { continue }
        attachIfKnown(root, mount)
      }
      return filesystems.all.filter(\.isAttached).map(\.0)
    }
  }

  /// Attaches what is mounted somewhere, if that is a filesystem of the store, and nothing may be taken
  /// for it.
  private func attachIfKnown(_ root: OwnedDescriptor, _ mount: Mount) {
    guard let (identity, superblock) = try? FilesystemIdentity.of(root.descriptor),
      superblock == mount.device, (try? identity.twin(of: superblock)) == .some(nil)
    else { return }
    attaching.withLock { _ in
      let growth = FilesystemGrowth(of: root.descriptor, identity.magic)
      guard filesystems.putBack(identity, growth).isEmpty,
        let id = try? filesystems.find(identity, superblock: superblock),
        !filesystems.isAttached(id, superblock: superblock),
        case let suspect = try? resume(id, root, growth),
        let attachment = try? FilesystemTable.Attachment(
          mount: root, superblock: superblock, suspect: suspect)
      else { return }
      filesystems.attach(id, attachment)
    }
  }

  /// Lets go of a filesystem, so that it can be unmounted. Its nodes stay, and cannot be opened until
  /// it is attached again.
  public func detach(_ filesystem: FilesystemID) { filesystems.detach(filesystem) }

  /// The filesystems that the store knows, by id.
  public func knownFilesystems() -> [Filesystem] {
    filesystems.all.map { id, identity, isAttached in
      Filesystem(
        id: id, magic: identity.magic, uuid: Hexadecimal.string(identity.uuid),
        isUUID: identity.isUUID, root: identity.root, volume: identity.volume,
        isAttached: isAttached, wasPutBack: filesystems.known(id)?.isSuperseded ?? false)
    }
  }

  /// Takes up the filesystems that are on record.
  func loadFilesystems() throws {
    let transaction = try read()
    var cursor = try transaction.cursor(tables.filesystems)
    while try cursor.next() {
      var key: InlineArray<1, UInt64> = [0]
      var keyWords = key.mutableSpan
      _ = cursor.copyKey(into: &keyWords)
      let id = FilesystemID(rawValue: UInt16(truncatingIfNeeded: key[0]))
      var value = PackedBytes(size: FilesystemRecord.maximumSize)
      var words = value.words.mutableSpan
      value.size = cursor.copyValue(into: &words)
      guard let known = FilesystemRecord.decode(value, id) else {
        throw StoreError.damaged("the record of filesystem \(id) has a wrong checksum")
      }
      filesystems.load(id, known)
    }
  }
}
