internal import HandleLocks

/// What a store knows of a filesystem.
package struct KnownFilesystem: Sendable {
  package var identity: FilesystemIdentity
  /// The name that the administrator gave it, or `nil`.
  package var name: String?
  /// The other identities under which hosts have attached it by its name, the oldest first.
  private(set) var others: [FilesystemIdentity] = []
  /// The ``FilesystemGrowth`` that has certainly reached the disk.
  package var growth: UInt64 = 0
  /// On btrfs, the newest generation of any file that was registered. Handles contain it: it is the
  /// number of the transaction that made the file.
  package var newest: UInt32 = 0
  /// The boot and mount during which ``growth`` was noted.
  package var era = ""
  /// Whether the filesystem was put back to an earlier state. Then it is gone, and a filesystem
  /// that has its identity is another one.
  package var isSuperseded = false

  package init(identity: FilesystemIdentity) { self.identity = identity }

  /// Restores what a row has. The identities differ from the first one in UUID and volume.
  init(identity: FilesystemIdentity, others: [FilesystemIdentity]) {
    (self.identity, self.others) = (identity, others)
  }

  /// How many further identities are remembered: as many hosts find the filesystem again without
  /// being told its name.
  private static let mostOthers = 32

  /// All identities that the filesystem is known to have.
  var identities: [FilesystemIdentity] { [identity] + others }

  /// Whether a filesystem with an identity, which the caller knows by a name, may be this one.
  package func matches(_ other: FilesystemIdentity, named name: String? = nil) -> Bool {
    identities.contains { $0.matches(other) }
      || name != nil && name == self.name && identity.hasSameRoot(as: other)
  }

  /// Takes note of a name, and of the identity under which a filesystem of this name was found.
  mutating func take(_ name: String, for other: FilesystemIdentity) {
    self.name = name
    if identity.root == nil { (identity.root, identity.birth) = (other.root, other.birth) }
    guard !identities.contains(where: { ($0.uuid, $0.volume) == (other.uuid, other.volume) })
    else { return }
    others = (others + [other]).suffix(Self.mostOthers)
  }

  /// Whether a filesystem with the same identity that has grown this far is an earlier state of
  /// this one.
  func wasPutBack(to now: FilesystemGrowth?) -> Bool {
    now.map { $0.isCounted && $0.now < growth } ?? false
  }

  /// Takes note of a registered file, and returns whether that changed anything. On btrfs the
  /// generation of a file is the number of the transaction that made it, and shows later whether
  /// that transaction is still part of the filesystem.
  package mutating func note(_ key: FileKey?) -> Bool {
    guard identity.magic == .btrfs, let key, key.generation > newest else { return false }
    newest = key.generation
    return true
  }
}

/// The filesystems that an index has on record. Any thread may use it.
package final class KnownFilesystems: Sendable {
  private let known = Locked<[FilesystemID: KnownFilesystem]>([:])
  /// The kind of each filesystem by the number of its id, or 0. Every registration needs it, and takes no
  /// lock for it. `nil` if there was no memory.
  private let magics = AtomicWords(count: Int(FilesystemID.maximum) + 1)

  package init() {}

  /// The filesystem with an id, or `nil` if there is none.
  package subscript(id: FilesystemID) -> KnownFilesystem? {
    get { known.withLock { $0[id] } }
    set {
      known.withLock { known in
        known[id] = newValue
        if let magics, id.rawValue <= FilesystemID.maximum {
          magics[Int(id.rawValue)] = UInt64(newValue?.identity.magic.rawValue ?? 0)
        }
      }
    }
  }

  /// Whether a filesystem was put back to an earlier state, so that no node's file can be opened there
  /// any more.
  package func isSuperseded(_ id: FilesystemID) -> Bool { self[id]?.isSuperseded ?? false }

  /// All of them, by id.
  package var all: [FilesystemID: KnownFilesystem] { known.withLock { $0 } }

  /// Returns the kind of a filesystem.
  ///
  /// - Throws: ``StoreError/unknownFilesystem(_:)``.
  package func magic(_ id: FilesystemID) throws -> FilesystemMagic {
    let place = Int(id.rawValue)
    if let magics, place < magics.count, let magic = UInt32(exactly: magics[place]), magic != 0 {
      return FilesystemMagic(rawValue: magic)
    }
    guard let known = self[id] else { throw StoreError.unknownFilesystem(id) }
    return known.identity.magic
  }

  /// Returns the id that the next new filesystem gets.
  func nextID() throws -> FilesystemID {
    let last = known.withLock { $0.keys.max()?.rawValue ?? 0 }
    guard last < FilesystemID.maximum else { throw StoreError.tooManyFilesystems }
    return FilesystemID(rawValue: last + 1)
  }
}
