internal import Synchronization
internal import SystemPackage

/// The filesystems of a store, and the mounts through which it reaches the attached ones.
final class FilesystemTable: Sendable {
  struct Attachment {
    let mount: OwnedDescriptor
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

    init(mount: OwnedDescriptor, superblock: String, suspect: UInt64?) throws(Errno) {
      self.mount = mount
      self.suspect = suspect
      self.superblock = superblock
      devices = [try FileStatus(of: mount.descriptor).device: mount]
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

  private struct State {
    var known: [FilesystemID: KnownFilesystem] = [:]
    var attached: [FilesystemID: Attachment] = [:]
    /// The kind of each known filesystem, indexed by its number. Every registration needs it.
    var magics: [FilesystemMagic?] = []
  }

  private let state = Mutex(State())

  func load(_ id: FilesystemID, _ known: KnownFilesystem) {
    state.withLock { state in
      state.known[id] = known
      let missing = Int(id.rawValue) + 1 - state.magics.count
      if missing > 0 { state.magics += Array(repeating: nil, count: missing) }
      state.magics[Int(id.rawValue)] = known.identity.magic
    }
  }

  func attach(_ id: FilesystemID, _ attachment: Attachment) {
    state.withLock { $0.attached[id] = attachment }
  }

  /// Whether this superblock is attached as the filesystem.
  func isAttached(_ id: FilesystemID, superblock: String) -> Bool {
    state.withLock { $0.attached[id]?.superblock == superblock }
  }

  func detach(_ id: FilesystemID) { state.withLock { $0.attached[id] = nil } }
  func detachAll() { state.withLock { $0.attached = [:] } }

  /// All known filesystems, in the order of their ids.
  var all: [(FilesystemID, FilesystemIdentity, isAttached: Bool)] {
    state.withLock { state in
      state.known.sorted { $0.key < $1.key }.map {
        ($0.key, $0.value.identity, state.attached[$0.key] != nil)
      }
    }
  }

  func magic(_ id: FilesystemID) throws -> FilesystemMagic {
    let magic = state.withLock { state in
      state.magics.indices.contains(Int(id.rawValue)) ? state.magics[Int(id.rawValue)] : nil
    }
    guard let magic else { throw StoreError.unknownFilesystem(id) }
    return magic
  }

  /// Whether a file with this device number may be on another filesystem, by what is known so far.
  /// `false` if the filesystem is not attached or no device was given (0).
  func mayBeElsewhere(_ device: UInt64, _ id: FilesystemID) -> Bool {
    guard device != 0 else { return false }
    return state.withLock { state in
      state.attached[id].map { $0.devices[device] == nil } ?? false
    }
  }

  /// Remembers a device number of a filesystem's files, and keeps open a file that has it.
  func learn(_ device: UInt64, by file: OwnedDescriptor, of id: FilesystemID) {
    state.withLock { $0.attached[id]?.learn(device, by: file) }
  }

  /// Returns the mount through which a filesystem's files are opened, and the filesystem's kind.
  func mount(_ id: FilesystemID) throws -> (OwnedDescriptor, FilesystemMagic) {
    try state.withLock { state in
      guard let known = state.known[id] else { throw StoreError.unknownFilesystem(id) }
      guard let attachment = state.attached[id] else { throw StoreError.notAttached(id) }
      return (attachment.mount, known.identity.magic)
    }
  }

  /// Returns what is known of a filesystem, or `nil` if the store has none with this id.
  func known(_ id: FilesystemID) -> KnownFilesystem? { state.withLock { $0.known[id] } }

  /// Returns the mount of a filesystem and the growth above which its nodes need a check before
  /// use; `nil` if none does.
  func suspect(_ id: FilesystemID) -> (mount: OwnedDescriptor, above: UInt64)? {
    state.withLock { state in
      state.attached[id].flatMap { one in one.suspect.map { (one.mount, $0) } }
    }
  }

  /// The attached filesystems with their mounts.
  var attachments: [(id: FilesystemID, mount: OwnedDescriptor)] {
    state.withLock { $0.attached.map { ($0.key, $0.value.mount) } }
  }

  /// Returns the known filesystems of which this one is an earlier state.
  func putBack(
    _ identity: FilesystemIdentity, _ growth: FilesystemGrowth?
  ) -> [FilesystemID] {
    state.withLock { state in
      state.known.filter { id, known in
        // A filesystem whose device has no name may be a copy of one whose device has a name. It
        // proves nothing about the original.
        !known.isSuperseded && known.identity.matches(identity)
          && known.identity.volume.isEmpty == identity.volume.isEmpty
          && known.wasPutBack(to: growth) && state.attached[id] == nil
      }.keys.sorted()
    }
  }

  /// Returns the filesystem with an identity, or `nil` if the store has none yet.
  ///
  /// - Throws: ``StoreError/ambiguousFilesystem(_:)`` if the identity may be that of several
  ///   filesystems or of a copy, if the kernel does not show the UUID of an XFS or f2fs, or if the
  ///   only match is attached with another superblock, so that nothing distinguishes the two.
  func find(_ identity: FilesystemIdentity, superblock: String) throws -> FilesystemID? {
    try state.withLock { state in
      let matching = state.known.filter {
        $0.value.identity.matches(identity) && !$0.value.isSuperseded
      }.keys.sorted()
      if let same = matching.first(where: { state.attached[$0]?.superblock == superblock }) {
        return same
      }
      // A FUSE server may give its ids to other files after a restart.
      if identity.magic == .fuse { return nil }
      guard identity.isUUID || ![.xfs, .f2fs].contains(identity.magic) else {
        throw StoreError.ambiguousFilesystem(
          "the kernel does not tell its UUID (Linux 6.9 does), and else it is known by its device "
            + "number only, which may be another's tomorrow")
      }
      if identity.volume.isEmpty,
        let known = matching.first(where: { state.known[$0]?.identity.volume != "" })
      {
        throw StoreError.ambiguousFilesystem(
          "it has the UUID of filesystem \(known), and the name of its device cannot be told, so it "
            + "may be a copy; see that /sys shows the device (and the image behind a loop device)")
      }
      if let twin = matching.first(where: { state.attached[$0] != nil }) {
        throw StoreError.ambiguousFilesystem(
          "it has the UUID of filesystem \(twin), which is mounted too, and nothing tells their "
            + "devices apart; give one of them a new UUID (tune2fs -U, xfs_admin -U, btrfstune -u)")
      }
      guard matching.count <= 1 else {
        throw StoreError.ambiguousFilesystem(
          "it may be any of filesystems \(matching); give it a new UUID")
      }
      return matching.first
    }
  }

  /// Returns the id after the highest one in use.
  func unused() throws -> FilesystemID {
    let last = state.withLock { $0.known.keys.max()?.rawValue ?? 0 }
    guard last < FilesystemID.maximum else {
      throw StoreError.tooManyFilesystems
    }
    return FilesystemID(rawValue: last + 1)
  }
}

/// Adds a filesystem to the store, or changes what is known of it.
struct RecordingFilesystem: Change {
  let id: FilesystemID
  /// Returns what to record, given what was known before; `nil` changes nothing.
  let change: @Sendable (KnownFilesystem?) -> KnownFilesystem?

  func apply(in turn: inout Turn, _ transaction: borrowing WriteTransaction) throws {
    guard let known = change(turn.known(id)) else { return }
    try turn.record(known, id, transaction)
  }
}

extension Turn {
  /// Returns what is known of a filesystem, including what this transaction wrote.
  func known(_ id: FilesystemID) -> KnownFilesystem? { recorded[id] ?? filesystems.known(id) }

  /// Records what is known of a filesystem.
  mutating func record(
    _ known: KnownFilesystem, _ id: FilesystemID, _ transaction: borrowing WriteTransaction
  ) throws {
    let key: InlineArray<1, UInt64> = [UInt64(id.rawValue)]
    let value = FilesystemRecord.encode(known, id)
    try transaction.put(tables.filesystems, key.span, 8, value.words.span, value.size)
    recorded[id] = known
  }

  /// Notes the generation of a registered file. On btrfs it is the number of the transaction that
  /// made the file, and shows later whether that transaction is still part of the filesystem.
  mutating func noteGeneration(
    _ identity: InodeIdentity?, _ id: FilesystemID, _ transaction: borrowing WriteTransaction
  ) throws {
    guard let generation = identity?.generation, var known = known(id), generation > known.newest
    else { return }
    known.newest = generation
    try record(known, id, transaction)
  }
}
