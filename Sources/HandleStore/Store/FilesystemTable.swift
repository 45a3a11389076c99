internal import Synchronization
internal import SystemPackage

/// The mounts through which a store reaches the attached ones of its filesystems.
final class FilesystemTable: Sendable {
  struct Attachment {
    let mount: OwnedDescriptor
    let magic: FilesystemMagic
    /// The device number of the mounted superblock. Two superblocks that are mounted at the same
    /// time are two filesystems.
    let superblock: String
    /// The device numbers that files on the filesystem are known to have: on btrfs each subvolume
    /// has its own, and on overlayfs each layer may. Each comes with an open file that keeps the
    /// kernel from giving the number to another filesystem.
    private(set) var devices: [UInt64: OwnedDescriptor]

    /// In a store opened for reading, the ``FilesystemGrowth`` above which a node's file may be
    /// lost, and its handle may open another file. Such a store cannot retire these nodes. `nil` if
    /// no file is in doubt.
    let suspect: UInt64?

    private static let mostDevices = 32

    init(
      mount: OwnedDescriptor, _ magic: FilesystemMagic, superblock: String, suspect: UInt64?
    ) throws(Errno) {
      self.mount = mount
      self.magic = magic
      self.suspect = suspect
      self.superblock = superblock
      devices = [try FullStatus(of: mount.descriptor).file.device: mount]
    }

    mutating func learn(_ device: UInt64, by file: OwnedDescriptor) {
      if devices.count == Self.mostDevices,
        let one = devices.first(where: { $0.value !== mount })?.key
      {
        devices[one] = nil
      }
      devices[device] = file
    }
  }

  private let known: KnownFilesystems
  private let attached = Mutex<[FilesystemID: Attachment]>([:])

  init(_ known: KnownFilesystems) { self.known = known }

  func attach(_ id: FilesystemID, _ attachment: Attachment) {
    attached.withLock { $0[id] = attachment }
  }

  /// Whether this superblock is attached as the filesystem.
  func isAttached(_ id: FilesystemID, superblock: String) -> Bool {
    attached.withLock { $0[id]?.superblock == superblock }
  }

  func isAttached(_ id: FilesystemID) -> Bool { attached.withLock { $0[id] != nil } }

  func detach(_ id: FilesystemID) { attached.withLock { $0[id] = nil } }
  func detachAll() { attached.withLock { $0 = [:] } }

  /// Whether a file with this device number may be on another filesystem, by what is known so far.
  /// `false` if the filesystem is not attached or no device was given (0).
  func mayBeElsewhere(_ device: UInt64, _ id: FilesystemID) -> Bool {
    guard device != 0 else { return false }
    return attached.withLock { attached in
      attached[id].map { $0.devices[device] == nil } ?? false
    }
  }

  /// Remembers a device number of a filesystem's files, and keeps open a file that has it.
  func learn(_ device: UInt64, by file: OwnedDescriptor, of id: FilesystemID) {
    attached.withLock { $0[id]?.learn(device, by: file) }
  }

  /// Returns the mount through which a filesystem's files are opened, and the filesystem's kind.
  func mount(_ id: FilesystemID) throws -> (OwnedDescriptor, FilesystemMagic) {
    guard let found = attached.withLock({ attached in attached[id].map { ($0.mount, $0.magic) } })
    else {
      throw known[id] == nil ? StoreError.unknownFilesystem(id) : .notAttached(id)
    }
    return found
  }

  /// Returns the mount of a filesystem and the growth above which its nodes need a check before
  /// use; `nil` if none does.
  func suspect(_ id: FilesystemID) -> (mount: OwnedDescriptor, above: UInt64)? {
    attached.withLock { attached in
      attached[id].flatMap { one in one.suspect.map { (one.mount, $0) } }
    }
  }

  /// The attached filesystems with their mounts.
  var attachments: [(id: FilesystemID, mount: OwnedDescriptor)] {
    attached.withLock { attached in attached.map { ($0.key, $0.value.mount) } }
  }

  /// Returns the known filesystems of which this one is an earlier state.
  func putBack(
    _ identity: FilesystemIdentity, _ growth: FilesystemGrowth?
  ) -> [FilesystemID] {
    known.all.filter { id, known in
      // A filesystem whose device has no name may be a copy of one whose device has a name. It
      // proves nothing about the original.
      !known.isSuperseded && known.identity.matches(identity)
        && known.identity.volume.isEmpty == identity.volume.isEmpty
        && known.wasPutBack(to: growth) && !isAttached(id)
    }.keys.sorted()
  }

  /// Returns the filesystem with an identity, or `nil` if the store has none yet.
  ///
  /// - Throws: ``StoreError/ambiguousFilesystem(_:)`` if the identity may be that of several
  ///   filesystems or of a copy, if the kernel does not show the UUID of an XFS or f2fs, or if the
  ///   only match is attached with another superblock, so that nothing distinguishes the two.
  func find(_ identity: FilesystemIdentity, superblock: String) throws -> FilesystemID? {
    let known = known.all
    let matching = known.filter {
      $0.value.identity.matches(identity) && !$0.value.isSuperseded
    }.keys.sorted()
    return try attached.withLock { attached in
      if let same = matching.first(where: { attached[$0]?.superblock == superblock }) {
        return same
      }
      // A FUSE server may give its ids to other files after a restart.
      if identity.magic == .fuse { return nil }
      guard identity.isUUID || ![.xfs, .f2fs].contains(identity.magic) else {
        throw StoreError.ambiguousFilesystem(
          "the kernel does not report its UUID, and its device number may belong to another "
            + "filesystem tomorrow; use Linux 6.9 or later")
      }
      if identity.volume.isEmpty,
        let original = matching.first(where: { known[$0]?.identity.volume != "" })
      {
        throw StoreError.ambiguousFilesystem(
          "it has the UUID of filesystem \(original), but the name of its device is not known, so it "
            + "may be a copy; make sure that /sys shows the device (and the image of a loop device)"
        )
      }
      if let twin = matching.first(where: { attached[$0] != nil }) {
        throw StoreError.ambiguousFilesystem(
          "it has the UUID of filesystem \(twin), which is mounted too, and nothing distinguishes "
            + "their devices; give one of them a new UUID (tune2fs -U, xfs_admin -U, btrfstune -u)")
      }
      guard matching.count <= 1 else {
        throw StoreError.ambiguousFilesystem(
          "it may be any of filesystems \(matching); give it a new UUID")
      }
      return matching.first
    }
  }
}
