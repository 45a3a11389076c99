internal import SystemPackage

/// The steps of opening an index, in the order that makes each of them safe.
struct LMDBOpening {
  let directory: OpenDirectory
  let claim: OpenStoreClaim
  let lock: WriterLock?
  /// The state of this session; of a reader, that of the last one.
  let state: StateFile
  /// Whether ``state`` is on the disk.
  let hasBegun: Bool
  let environment: Environment
  let tables: Tables

  init(_ path: FilePath, _ options: StoreOptions) throws(StoreError) {
    directory =
      options.readOnly
      ? try OpenDirectory(ofStoreAt: path) : try OpenDirectory.openingOrMaking(path)
    claim = try OpenStoreClaim(directory)
    lock = options.readOnly ? try WriterLock(readerOf: directory) : try Self.lock(directory)
    let era = try Era(of: directory)
    let written = try Self.state(in: directory)
    let here = try Self.identity(of: directory, seen: written?.directory(seenIn: era))
    let found: StateFile
    if let written {
      found = written
    } else {
      found = try Self.new(in: directory, options, era: era, here: here)
    }
    let isNew = found.session == .creating
    if isNew {
      // An interrupted creation handed out no ids, and a power cut may have torn its data.
      try directory.startData()
    } else {
      try Self.examine(directory, found, here: here, era: era)
    }
    do {
      environment = try Self.openEnvironment(in: directory, options, lock: lock)
      do {
        // This comes first: until then, a write to the map may raise SIGBUS.
        if !options.readOnly { try environment.allocateMap() }
        tables = try Self.openTables(environment, found, isNew: isNew)
        if options.readOnly {
          (state, hasBegun) = (found, true)
        } else {
          // Whoever made a copy may not have flushed it.
          let isUnflushed = found.isUnflushed || found.isCopy(in: here)
          if isNew || isUnflushed && options.durability == .power { try environment.sync() }
          (state, hasBegun) = try Self.begin(found, options, era: era, here: here, in: directory)
        }
      } catch {
        environment.stop()
        environment.close(trimming: false)
        throw error
      }
    } catch {
      throw StoreError(ofLMDB: error, path: path)
    }
  }

  static func identity(
    of directory: OpenDirectory, seen: DirectoryIdentity?
  ) throws(StoreError) -> DirectoryIdentity {
    do throws(Errno) {
      return try DirectoryIdentity(of: directory, seen: seen)
    } catch {
      throw StoreError(error, "identifying \(directory.path)")
    }
  }

  /// Locks the directory for writing. Makes no file in a directory that is neither a store nor
  /// empty.
  private static func lock(_ directory: OpenDirectory) throws(StoreError) -> WriterLock {
    if try StateFile.read(in: directory) == nil { try requireEmpty(directory) }
    return try WriterLock(directory)
  }

  private static func requireEmpty(_ directory: OpenDirectory) throws(StoreError) {
    do throws(Errno) {
      var entries = DirectoryEntries(of: directory.descriptor)
      while let entry = try entries.read() {
        // A process that was killed while it made a store leaves these.
        if ["writer", "state.new"].contains(entry.name) { continue }
        throw Errno.directoryNotEmpty
      }
    } catch .directoryNotEmpty {
      throw .notAStore(
        path: directory.path, reason: "it has no file `state` and is not empty")
    } catch {
      throw StoreError(error, "reading \(directory.path)")
    }
  }

  /// Returns the state of the store, or `nil` if there is no store or its creation was interrupted.
  private static func state(in directory: OpenDirectory) throws(StoreError) -> StateFile? {
    let state = try StateFile.read(in: directory)
    return state?.session == .creating ? nil : state
  }

  private static func new(
    in directory: OpenDirectory, _ options: StoreOptions, era: Era, here: DirectoryIdentity
  ) throws(StoreError) -> StateFile {
    guard !options.readOnly else { throw .noStore(path: directory.path) }
    let new = StateFile(
      store: .random(in: 1...UInt64.max), incarnation: .random(in: 1...UInt32.max),
      idBound: NodeID.first.rawValue, session: .creating, durability: options.durability,
      era: era, directory: here)
    try new.write(in: directory)
    return new
  }

  /// Checks the data before LMDB maps them. LMDB trusts what it maps, and would extend a truncated
  /// file to the size of its map. All data are checked if a power cut may have torn them, or if
  /// this is a copy, which may have been taken while they were written.
  private static func examine(
    _ directory: OpenDirectory, _ state: StateFile, here: DirectoryIdentity, era: Era
  ) throws(StoreError) {
    let isCopy = state.isCopy(in: here)
    let mayBeTorn = state.mayBeTorn(now: era)
    let mayHaveGap = mayBeTorn || isCopy && state.session == .running
    let file = try pageFile(
      in: directory, mayBeTorn: mayBeTorn && !isCopy, followEachOther: !mayHaveGap)
    guard isCopy || mayBeTorn else { return }
    if isCopy && (file.linkCount > 1 || LockFile.isShared(in: directory)) {
      throw .sharedData(path: directory.path)
    }
    let check = StoreCheck(file, state: isCopy ? state.withoutBound : state)
    check.mayHaveGap = mayHaveGap
    let findings = check.run(atMost: 1).findings
    guard let first = findings.first else { return }
    throw isCopy ? .tornCopy(first.description) : .torn(first.description)
  }

  /// Returns a data file that LMDB can map. After a power cut it may be empty, or cut short.
  ///
  /// - Parameter followEachOther: whether the order of the two commits must be possible
  ///   (``PageFile/requireWholeMeta(followEachOther:)``).
  private static func pageFile(
    in directory: OpenDirectory, mayBeTorn: Bool, followEachOther: Bool
  ) throws(StoreError) -> PageFile {
    do throws(StoreError) {
      let file = try PageFile(in: directory)
      try file.requireWholeMeta(followEachOther: followEachOther)
      return file
    } catch .damaged(let what) where mayBeTorn {
      throw .torn(what)
    } catch .notAStore(_, let reason) where mayBeTorn {
      throw .torn(reason)
    }
  }

  private static func openEnvironment(
    in directory: OpenDirectory, _ options: StoreOptions, lock: WriterLock?
  ) throws -> Environment {
    var mode = EnvironmentMode()
    mode.readOnly = options.readOnly
    if let lock, !options.readOnly {
      mode.allocates = try lock.canAllocateAhead
      mode.noSync = options.durability == .process
      mode.writeMap = mode.noSync && mode.allocates
    }
    return try Environment(
      directory: directory, mode: mode, mapSize: options.readOnly ? 0 : Environment.initialMapSize,
      tables: Tables.count)
  }

  /// Opens the tables, and checks that they belong to the state file.
  private static func openTables(
    _ environment: Environment, _ state: StateFile, isNew: Bool
  ) throws -> Tables {
    let tables: Tables
    do throws(LMDBError) {
      tables = try Tables(environment, create: isNew)
    } catch .notFound {
      throw StoreError.damaged("data.mdb contains no store tables")
    }
    if isNew { try tables.mark(environment, store: state.store) }
    guard try tables.store(environment) == state.store else {
      throw StoreError.damaged("data.mdb and `state` belong to different stores")
    }
    return tables
  }

  /// Returns the state of a session that writes, and whether it is on the disk. If the store was closed,
  /// the session's first change puts it there, so that opening it waits for no disk. Ids that a killed
  /// session had reserved are skipped. If that session was of the same kind, nothing is written, so
  /// that a killed server can start again on a full disk. A copy becomes a store of its own, which
  /// hands out other ids than the original and all other copies.
  private static func begin(
    _ found: StateFile, _ options: StoreOptions, era: Era, here: DirectoryIdentity,
    in directory: OpenDirectory
  ) throws(StoreError) -> (StateFile, hasBegun: Bool) {
    var state = found
    let isCopy = found.isCopy(in: here)
    if isCopy {
      state.idBound = try IDAllocator.boundOfCopy(found.idBound)
      state.skipped += state.idBound - found.idBound
      state.directory = here
    }
    state.session = .running
    state.durability = options.durability
    state.era = era
    if found.session == .closed && !isCopy { return (state, false) }
    if state != found { try state.write(in: directory) }
    return (state, true)
  }
}

extension OpenDirectory {
  /// Opens a directory. Makes it first if it does not exist.
  static func openingOrMaking(_ path: FilePath) throws(StoreError) -> OpenDirectory {
    do throws(Errno) {
      try SystemCalls.makeDirectory(path, mode: 0o700)
      let directory = try OpenDirectory(path)
      try directory.syncParent()
      return directory
    } catch .fileExists {
      return try OpenDirectory(ofStoreAt: path)
    } catch {
      throw error.isDiskFull ? .diskFull(path: path) : StoreError(error, "creating \(path)")
    }
  }

  /// Removes what LMDB has here, and makes an empty file for it, for which copy-on-write is off on
  /// btrfs. With copy-on-write, a full disk could fail the write of the page that ends a commit,
  /// and LMDB cannot continue after that.
  func startData() throws(StoreError) {
    do throws(Errno) {
      try unlink(PageFile.name)
    } catch .noSuchFileOrDirectory {
    } catch {
      throw StoreError(error, "removing \(path(of: PageFile.name))")
    }
    do throws(Errno) {
      let file = try open(PageFile.name, flags: SystemCalls.createEmpty, mode: 0o600)
      try? SystemCalls.disableCopyOnWrite(file.descriptor)
    } catch {
      throw error.isDiskFull
        ? .diskFull(path: path) : StoreError(error, "creating \(path(of: PageFile.name))")
    }
  }

  /// Opens the directory of a store, which must exist.
  convenience init(ofStoreAt path: FilePath) throws(StoreError) {
    do throws(Errno) {
      try self.init(path)
    } catch .noSuchFileOrDirectory {
      throw .noStore(path: path)
    } catch .notDirectory {
      throw .notAStore(path: path, reason: "it is not a directory")
    } catch {
      throw StoreError(error, "opening \(path)")
    }
  }
}

extension StateFile {
  /// The state of a copy without a bound of ids, because its data may have more ids than its
  /// `state` knows.
  fileprivate var withoutBound: StateFile {
    var state = self
    state.idBound = .max
    return state
  }
}
