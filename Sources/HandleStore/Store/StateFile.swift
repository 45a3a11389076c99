internal import SystemPackage

/// The small text file `state` beside the data: what must survive a power cut even where the data
/// need not. It is replaced whole, by a rename after an fsync.
///
/// The bound of the ids that may have been handed out stands here and not in LMDB, because without
/// fsync a power cut can take LMDB's newest commits, and with them the knowledge of their ids.
struct StateFile: Equatable {
  /// What the process that holds the store for writing does, or did last.
  enum Session: String {
    /// The tables are being made.
    case creating
    /// It writes, or was killed.
    case running
    /// It closed the store.
    case closed
  }

  static let formatVersion = 1

  /// Random, the same in the data file.
  var store: UInt64
  /// The generation that goes on the wire with each node id: another one for another store.
  var incarnation: UInt32
  /// No id at or above this has been handed out.
  var idBound: UInt64
  var session: Session
  var durability: Durability
  /// The kernel's and the mount's that ``session`` was written under.
  var era: Era

  /// Whether a power cut may have torn the data: the last writer did not flush its commits, did not
  /// close, and its kernel is gone, or its mount.
  func mayBeTorn(now era: Era) -> Bool { isUnflushed && self.era != era }

  /// Whether the last writer may have left commits in the page cache.
  var isUnflushed: Bool { session == .running && durability == .process }
}

extension StateFile {
  private static let name: FilePath.Component = "state"

  /// The state of the store in a directory, or `nil` where it has none.
  static func read(in directory: FilePath) throws(StoreError) -> StateFile? {
    let path = directory.appending(name)
    let text: String
    do throws(Errno) {
      text = try SmallFile.read(path)
    } catch .noSuchFileOrDirectory, .notDirectory {
      return nil
    } catch {
      throw StoreError(error, "reading \(path)")
    }
    return try parse(text, path: directory)
  }

  func write(in directory: FilePath) throws(StoreError) {
    try SmallFile.write(text, Self.name, in: directory)
  }

  var text: String {
    let body = """
      handlestore \(Self.formatVersion)
      store \(String(store, radix: 16))
      incarnation \(incarnation)
      ids \(idBound)
      session \(session.rawValue)
      durability \(durability.rawValue)
      boot \(era.boot)
      mount \(era.mount)

      """
    return SmallFile.sealed(body)
  }

  static func parse(_ text: String, path: FilePath) throws(StoreError) -> StateFile {
    let lines = text.split(separator: "\n").map { $0.split(separator: " ", maxSplits: 1) }
    guard lines.first?.first == "handlestore", let version = lines[0].last.flatMap({ Int($0) })
    else { throw .notAStore(path: path, reason: "its file `state` is something else") }
    guard version == formatVersion else {
      throw .unsupportedVersion(found: version, supported: formatVersion)
    }
    var fields: [Substring: Substring] = [:]
    for line in lines where line.count == 2 { fields[line[0]] = line[1] }
    guard
      let store = fields["store"].flatMap({ UInt64($0, radix: 16) }),
      let incarnation = fields["incarnation"].flatMap({ UInt32($0) }),
      let ids = fields["ids"].flatMap({ UInt64($0) }), ids >= NodeID.first.rawValue,
      let session = fields["session"].flatMap({ Session(rawValue: String($0)) }),
      let durability = fields["durability"].flatMap({ Durability(rawValue: String($0)) }),
      let boot = fields["boot"], let mount = fields["mount"].flatMap({ UInt64($0) })
    else { throw .damaged("its file `state` lacks a line") }
    let state = StateFile(
      store: store, incarnation: incarnation, idBound: ids, session: session,
      durability: durability, era: Era(boot: String(boot), mount: mount))
    guard state.text == text else { throw .damaged("its file `state` has a wrong checksum") }
    return state
  }
}

/// While it lasts, what was written to a file is what others read of it: the time from one boot, or one
/// mount of the filesystem, to the next.
struct Era: Equatable {
  /// The id of the kernel's boot.
  var boot: String
  /// A number that no other mount of the boot has; 0 where the kernel does not tell.
  var mount: UInt64

  /// The present era of a store's directory.
  init(of directory: FilePath) throws(StoreError) {
    boot = try SmallFile.bootID()
    do throws(Errno) {
      let fd = OwnedDescriptor(try SystemCalls.open(directory, flags: SystemCalls.path))
      mount = SystemCalls.uniqueMount(of: fd.descriptor)
    } catch {
      throw StoreError(error, "opening \(directory)")
    }
  }

  init(boot: String, mount: UInt64) {
    self.boot = boot
    self.mount = mount
  }
}
