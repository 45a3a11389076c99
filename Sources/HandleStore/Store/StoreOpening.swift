internal import SystemPackage

/// The steps of opening a store, in the order that makes each of them safe.
struct StoreOpening {
  private static let dataFile: FilePath.Component = "data.mdb"

  let path: FilePath
  let options: StoreOptions
  let claim: OpenStoreClaim
  let lock: WriterLock?
  let state: StateFile
  let environment: Environment
  let tables: Tables

  init(_ path: FilePath, _ options: StoreOptions) throws(StoreError) {
    self.path = path
    self.options = options
    if !options.readOnly { try Self.makeDirectory(path) }
    claim = try OpenStoreClaim(path)
    lock = options.readOnly ? try WriterLock(readerOf: path) : try Self.lock(path)
    let found = try Self.stateOrNew(path, options)
    let isNew = found.session == .creating
    let era = try Era(of: path)
    if isNew { try Self.startAgain(path) } else { try Self.examine(path, found, era) }
    do {
      environment = try Self.openEnvironment(path, options, lock)
      do {
        // First of all: what is written to the map before that may be a SIGBUS.
        if !options.readOnly { try environment.allocateMap() }
        tables = try Self.openTables(environment, found, isNew: isNew)
        if options.readOnly {
          state = found
        } else {
          if isNew || found.isUnflushed && options.durability == .power { try environment.sync() }
          state = try Self.begin(found, options, era, in: path)
        }
      } catch {
        environment.stop()
        environment.close(trimming: false)
        throw error
      }
    } catch {
      throw StoreError(any: error, path: path)
    }
  }

  private static func makeDirectory(_ path: FilePath) throws(StoreError) {
    do throws(Errno) {
      try SystemCalls.makeDirectory(path, mode: 0o700)
      try SmallFile.syncDirectory(path.removingLastComponent())
    } catch .fileExists {
    } catch {
      throw error.isDiskFull ? .diskFull(path: path) : StoreError(error, "making \(path)")
    }
  }

  /// Before a lock file is made in a directory that is not ours, look whether it may be.
  private static func lock(_ path: FilePath) throws(StoreError) -> WriterLock {
    if try StateFile.read(in: path) == nil { try requireEmpty(path) }
    return try WriterLock(path)
  }

  private static func requireEmpty(_ path: FilePath) throws(StoreError) {
    do throws(Errno) {
      let directory = OwnedDescriptor(try SystemCalls.open(path, flags: SystemCalls.directory))
      var entries = DirectoryEntries(of: directory.descriptor)
      while let entry = try entries.next() {
        // A process that was killed while it made a store leaves these.
        if ["writer", "state.new"].contains(entry.name) { continue }
        throw Errno.directoryNotEmpty
      }
    } catch .directoryNotEmpty {
      throw .notAStore(path: path, reason: "it has no file `state`, and it is not empty")
    } catch {
      throw StoreError(error, "reading \(path)")
    }
  }

  private static func stateOrNew(
    _ path: FilePath, _ options: StoreOptions
  ) throws(StoreError) -> StateFile {
    if let state = try StateFile.read(in: path) {
      if state.session == .creating && options.readOnly { throw .noStore(path: path) }
      return state
    }
    guard !options.readOnly else { throw .noStore(path: path) }
    let new = StateFile(
      store: .random(in: 1...UInt64.max), incarnation: .random(in: 1...UInt32.max),
      idBound: NodeID.first.rawValue, session: .creating, durability: options.durability,
      era: try Era(of: path))
    try new.write(in: path)
    return new
  }

  /// Removes what the making of a store left that was cut off: no id of it was handed out, and a power
  /// cut may have torn it. LMDB makes its tables in an empty file, which on btrfs is not copied on write:
  /// else writing the page that ends a commit could fail on a full disk, and LMDB goes on from that no
  /// more.
  private static func startAgain(_ path: FilePath) throws(StoreError) {
    let data = path.appending(dataFile)
    do throws(Errno) {
      try SystemCalls.unlink(data)
    } catch .noSuchFileOrDirectory {
    } catch {
      throw StoreError(error, "removing \(data)")
    }
    do throws(Errno) {
      let file = OwnedDescriptor(
        try SystemCalls.open(data, flags: SystemCalls.createEmpty, mode: 0o600))
      try? SystemCalls.disableCopyOnWrite(file.descriptor)
    } catch {
      throw error.isDiskFull ? .diskFull(path: path) : StoreError(error, "making \(data)")
    }
  }

  /// Looks at the data before LMDB does: it trusts what it maps, and would make a file that was cut
  /// short as long as its map again.
  private static func examine(
    _ path: FilePath, _ state: StateFile, _ era: Era
  ) throws(StoreError) {
    let file = try PageFile(path.appending(dataFile))
    try file.requireWholeMeta()
    guard state.mayBeTorn(now: era) else { return }
    let findings = StoreCheck(file, state: state).run(atMost: 1).findings
    if let first = findings.first { throw .torn(first.description) }
  }

  private static func openEnvironment(
    _ path: FilePath, _ options: StoreOptions, _ lock: WriterLock?
  ) throws -> Environment {
    var mode = EnvironmentMode()
    mode.readOnly = options.readOnly
    if let lock, !options.readOnly {
      mode.allocates = try lock.canAllocateAhead
      mode.noSync = options.durability == .process
      mode.writeMap = mode.noSync && mode.allocates
    }
    return try Environment(
      directory: path, mode: mode, mapSize: options.readOnly ? 0 : Environment.initialMapSize,
      tables: Tables.count)
  }

  /// Opens the tables, and sees that they are those of the state file.
  private static func openTables(
    _ environment: Environment, _ state: StateFile, isNew: Bool
  ) throws -> Tables {
    let tables: Tables
    do throws(LMDBError) {
      tables = try Tables(environment, create: isNew)
    } catch .notFound {
      throw StoreError.damaged("data.mdb has not the tables of a store")
    }
    if isNew { try tables.mark(environment, store: state.store) }
    guard try tables.store(environment) == state.store else {
      throw StoreError.damaged("data.mdb and `state` are of two stores")
    }
    return tables
  }

  /// The state of a session that writes, on the disk before its first change. Ids that a killed
  /// session had reserved are passed over. Where that session was of the same kind nothing is written,
  /// and so a server that was killed can be started again on a full disk.
  private static func begin(
    _ found: StateFile, _ options: StoreOptions, _ era: Era, in path: FilePath
  ) throws(StoreError) -> StateFile {
    var state = found
    state.session = .running
    state.durability = options.durability
    state.era = era
    if state != found { try state.write(in: path) }
    return state
  }
}
