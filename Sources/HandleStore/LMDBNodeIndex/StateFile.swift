internal import SystemPackage

/// The small text file `state` beside the data. It holds what must survive a power cut even if the
/// data need not. It is replaced as a whole, by a rename after an fsync.
///
/// It holds the bound of the ids that may have been handed out. LMDB is no place for the bound:
/// without fsync, a power cut can take LMDB's newest commits, and with them the knowledge of their
/// ids.
struct StateFile: Equatable {
  /// What the last process that opened the store for writing does, or did last.
  enum Session: String {
    /// It is making the tables.
    case creating
    /// It is writing, or was killed.
    case running
    /// It closed the store.
    case closed
  }

  static let formatVersion = 1

  /// A random number, which is also in the data file.
  var store: UInt64
  /// The generation that goes on the wire with each node id: random, not 0. A copy of a store keeps
  /// it.
  var incarnation: UInt32
  /// No id at or above this has been handed out.
  var idBound: UInt64
  /// How many ids below the bound were skipped, because this was a copy of another store.
  var skipped: UInt64 = 0
  var session: Session
  var durability: Durability
  /// The boot and mount during which ``session`` was written.
  var era: Era
  /// The directory to which the store belongs; `nil` for a backup, which belongs to none yet.
  var directory: DirectoryIdentity?
  /// Whether this was read from the file to which it was written, and not from a copy of it.
  private(set) var isOriginalFile = true

  init(
    store: UInt64, incarnation: UInt32, idBound: UInt64, session: Session, durability: Durability,
    era: Era, directory: DirectoryIdentity?, isOriginalFile: Bool = true
  ) {
    self.store = store
    self.incarnation = incarnation
    self.idBound = idBound
    self.session = session
    self.durability = durability
    self.era = era
    self.directory = directory
    self.isOriginalFile = isOriginalFile
  }

  /// Whether a power cut may have torn the data: the last writer did not flush its commits and did
  /// not close the store, and since then the kernel was booted or the filesystem mounted again.
  func mayBeTorn(now era: Era) -> Bool { isUnflushed && self.era != era }

  /// Whether this is a copy of a store, or a restored one: its state was written for another
  /// directory, or as another file. The original may have handed out more ids since.
  func isCopy(in directory: DirectoryIdentity) -> Bool {
    self.directory != directory || !isOriginalFile
  }

  /// The identity of the directory for which this was written, if that was in the present era.
  func directory(seenIn era: Era) -> DirectoryIdentity? {
    era.isKnown && self.era == era ? directory : nil
  }

  /// Whether the last writer may have left commits in the page cache.
  var isUnflushed: Bool { session == .running && durability == .process }
}

extension StateFile {
  private static let name: FilePath.Component = "state"

  /// Reads the state of the store in a directory; `nil` if there is none.
  static func read(in directory: OpenDirectory) throws(StoreError) -> StateFile? {
    let found: (text: String, status: FullStatus)
    do throws(Errno) {
      found = try SmallFile.read(name, in: directory)
    } catch .noSuchFileOrDirectory {
      return nil
    } catch {
      throw StoreError(error, "reading \(directory.path(of: name))")
    }
    return try parse(found.text, of: found.status, path: directory.path)
  }

  func write(in directory: OpenDirectory) throws(StoreError) {
    try SmallFile.write(Self.name, in: directory) { text(in: $0) }
  }

  /// Returns the text of the file `state`, which names the inode of that file.
  private func text(in file: FullStatus) -> String {
    SmallFile.sealed(
      """
      handlestore \(Self.formatVersion)
      store \(String(store, radix: 16))
      incarnation \(incarnation)
      ids \(idBound)
      skipped \(skipped)
      session \(session.rawValue)
      durability \(durability.rawValue)
      boot \(era.boot)
      mount \(era.mount)
      directory \(directory?.text ?? "none")
      file \(file.inodeIdentity)

      """)
  }

  private static func parse(
    _ text: String, of file: FullStatus, path: FilePath
  ) throws(StoreError) -> StateFile {
    let lines = text.lines.map { $0.splitAtBlank() }
    guard let first = lines.first, first.name == "handlestore", let version = Int(first.value)
    else { throw .notAStore(path: path, reason: "its file `state` is not a store's") }
    guard version == formatVersion else {
      throw .unsupportedVersion(found: version, supported: formatVersion)
    }
    guard SmallFile.unsealed(text) != nil else {
      throw .damaged("its file `state` has a wrong checksum")
    }
    var fields: [Substring: Substring] = [:]
    for line in lines { fields[line.name] = line.value }
    guard
      let store = fields["store"].flatMap({ UInt64($0, radix: 16) }),
      let incarnation = fields["incarnation"].flatMap({ UInt32($0) }),
      let ids = fields["ids"].flatMap({ UInt64($0) }), ids >= NodeID.first.rawValue,
      let skipped = fields["skipped"].flatMap({ UInt64($0) }), skipped < ids,
      let session = fields["session"].flatMap({ Session(rawValue: String($0)) }),
      let durability = fields["durability"].flatMap({ Durability(rawValue: String($0)) }),
      let boot = fields["boot"], let mount = fields["mount"].flatMap({ UInt64($0) }),
      let directory = fields["directory"], let name = fields["file"]
    else { throw .damaged("its file `state` lacks a line") }
    var state = StateFile(
      store: store, incarnation: incarnation, idBound: ids, session: session,
      durability: durability, era: Era(boot: String(boot), mount: mount),
      directory: DirectoryIdentity(directory), isOriginalFile: name == file.inodeIdentity)
    state.skipped = skipped
    return state
  }
}

/// The time from one boot, or one mount of the filesystem, to the next. As long as an era lasts,
/// readers of a file see what was written to it.
struct Era: Equatable {
  /// The id of the kernel's boot.
  var boot: String
  /// A number that no other mount of this boot has; 0 if the kernel does not report one.
  var mount: UInt64

  /// The current era of a store's directory.
  init(of directory: OpenDirectory) throws(StoreError) { try self.init(of: directory.descriptor) }

  /// The current era of the filesystem that a file is on.
  init(of file: FileDescriptor) throws(StoreError) {
    boot = try SmallFile.bootID()
    mount = SystemCalls.uniqueMount(of: file)
  }

  var text: String { "\(boot) \(mount)" }

  /// Whether the kernel reported the mount, so that no other mount has this era.
  var isKnown: Bool { mount != 0 }

  init(boot: String, mount: UInt64) {
    self.boot = boot
    self.mount = mount
  }
}
