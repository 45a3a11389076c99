internal import HandleLocks
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

  let known: KnownFilesystems
  private let attached = Locked<[FilesystemID: Attachment]>([:])

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
    _ identity: FilesystemIdentity, named name: String? = nil, _ growth: FilesystemGrowth?
  ) -> [FilesystemID] {
    known.all.filter { id, known in
      // A filesystem whose device has no name may be a copy of one whose device has a name. It
      // proves nothing about the original.
      !known.isSuperseded && known.matches(identity, named: name)
        && known.identity.volume.isEmpty == identity.volume.isEmpty
        && known.wasPutBack(to: growth) && !isAttached(id)
    }.keys.sorted()
  }
}
