internal import SystemPackage

/// A repair, step by step: what can be had is collected and put into a new file, and only when that is
/// whole and on the disk does it take the old one's place.
struct StoreRepair {
  /// How far above the highest id that was seen a store goes on whose bound is not known.
  static let margin: UInt64 = 1 << 40

  private let path: FilePath
  private let dataFile: FilePath
  private let work: FilePath
  private let keeping: FilePath

  init(_ path: FilePath) {
    self.path = path
    dataFile = path.appending("data.mdb")
    work = path.appending("repair")
    keeping = path.appending("set-aside")
  }

  func run() throws -> RepairReport {
    try requireStore()
    let lock = try WriterLock(path)
    defer { withExtendedLifetime(lock) {} }
    removeWork()
    try SystemCalls.makeDirectory(work, mode: 0o700)
    defer { removeWork() }
    let old = try FoundState(in: path)
    return try replace(old, try rebuild(old))
  }

  /// Before anything is made in a directory, see that it is a store's.
  private func requireStore() throws {
    let found = try FoundState(in: path)
    if found.isNone || found.isBeingMade { throw StoreError.noStore(path: path) }
    let file = try original()
    try file?.requireVersion()
    if found.state == nil && file?.newest == nil {
      throw StoreError.notAStore(
        path: path, reason: "neither its `state` nor its data.mdb can be read")
    }
  }

  // MARK: The new file

  /// What went into the new file.
  private struct Result {
    let store: UInt64
    let highest: UInt64
    /// How many nodes the original says that it had.
    let expected: Int?
    let foundFilesystems: Int
    let counts: Rebuild.Counts
  }

  private func rebuild(_ old: FoundState) throws -> Result {
    let found = try Harvest(in: work.appending("found"), .first)
    let salvage = try original().map { Salvage($0, into: found) }
    try salvage?.run(lost: Harvest(in: work.appending("lost"), .unanimous))
    let known = salvage?.filesystems ?? [:]
    let foundAgain = try LostFilesystems(of: found).recovered(without: known)
    var rebuild = try Rebuild(
      in: work.appending("new"), found, known.merging(foundAgain) { known, _ in known })
    let store = salvage?.store ?? old.state?.store ?? .random(in: 1...UInt64.max)
    try rebuild.run(store: store, hasAllWatches: salvage?.hasAllWatches ?? false)
    return Result(
      store: store, highest: salvage?.highest ?? 0, expected: salvage?.expected,
      foundFilesystems: foundAgain.count, counts: rebuild.counts)
  }

  private func original() throws(StoreError) -> PageFile? {
    do throws(StoreError) {
      return try PageFile(dataFile)
    } catch .damaged {
      return nil  // There is none.
    }
  }

  // MARK: The state

  /// What the file `state` must say. A new incarnation where the old file cannot be read, or is of
  /// another store.
  private func state(
    _ old: FoundState, store: UInt64, highest: UInt64
  ) throws -> (StateFile, isNew: Bool) {
    if var state = old.state, state.store == store {
      state.idBound = max(state.idBound, highest.saturatingAdd(1))
      state.session = .closed
      return (state, false)
    }
    let seen = max(old.state?.idBound ?? NodeID.first.rawValue, highest.saturatingAdd(1))
    let state = StateFile(
      store: store, incarnation: .random(in: 1...UInt32.max),
      idBound: seen.saturatingAdd(Self.margin), session: .closed,
      durability: old.state?.durability ?? .process, era: try Era(of: path))
    return (state, true)
  }

  // MARK: Taking the old one's place

  private func replace(_ old: FoundState, _ result: Result) throws -> RepairReport {
    let new = work.appending("new").appending("data.mdb")
    let (state, isNew) = try state(old, store: result.store, highest: result.highest)
    try sync(new)
    try makeKeeping()
    let time = UTCTime.name(SystemCalls.epochSeconds)
    let original = try keep(dataFile, "data-\(time)", ".mdb")
    let originalState = isNew ? try keep(path.appending("state"), "state-\(time)", "") : nil
    try SystemCalls.rename(new, to: dataFile)
    // LMDB's table of readers and its number of the newest commit are of the old file.
    try? SystemCalls.unlink(path.appending("lock.mdb"))
    try SmallFile.syncDirectory(path)
    try state.write(in: path)
    let counts = result.counts
    return RepairReport(
      kept: counts.kept,
      setAside: setAside(old, result),
      mayBeLost: result.expected == nil ? mayBeLost(old, result) : 0,
      lostFilesystems: counts.lostFilesystems.count, foundFilesystems: result.foundFilesystems,
      retired: counts.retired, original: original, originalState: originalState)
  }

  private func setAside(_ old: FoundState, _ result: Result) -> Int {
    // What the original says of itself may be damaged too.
    let expected = min(result.expected ?? 0, handedOut(old, result))
    return max(expected - result.counts.kept, result.counts.dropped)
  }

  private func mayBeLost(_ old: FoundState, _ result: Result) -> Int {
    max(0, handedOut(old, result) - result.counts.kept - result.counts.dropped)
  }

  /// How many ids were handed out, as far as is known.
  private func handedOut(_ old: FoundState, _ result: Result) -> Int {
    let seen = max(result.highest.saturatingAdd(1), NodeID.first.rawValue) - NodeID.first.rawValue
    return Int(clamping: max(old.state?.idsHandedOut ?? 0, seen))
  }

  private func sync(_ file: FilePath) throws {
    let file = OwnedDescriptor(try SystemCalls.open(file, flags: SystemCalls.create))
    try SystemCalls.sync(file.descriptor)
  }

  /// Gives a file a second name among those that are kept; `nil` where there is no such file.
  private func keep(
    _ file: FilePath, _ name: String, _ suffix: String, attempt: Int = 1
  ) throws -> FilePath? {
    let number = attempt == 1 ? "" : "-\(attempt)"
    let kept = keeping.appending(name + number + suffix)
    switch try link(file, to: kept) {
    case .made: return kept
    case .missing: return nil
    case .taken: return try keep(file, name, suffix, attempt: attempt + 1)
    }
  }

  private enum Link { case made, missing, taken }

  private func link(_ file: FilePath, to kept: FilePath) throws -> Link {
    do throws(Errno) {
      try SystemCalls.link(file, to: kept)
      try SmallFile.syncDirectory(keeping)
      return .made
    } catch .fileExists {
      return .taken
    } catch .noSuchFileOrDirectory {
      return .missing
    }
  }

  private func makeKeeping() throws {
    do throws(Errno) {
      try SystemCalls.makeDirectory(keeping, mode: 0o700)
    } catch .fileExists {
    }
  }

  // MARK: The place of work

  /// Removes what this repair made, or one that was killed.
  private func removeWork() {
    for name in ["found", "lost", "new"] {
      let directory = work.appending(name)
      for file in ["data.mdb", "lock.mdb"] { try? SystemCalls.unlink(directory.appending(file)) }
      try? SystemCalls.removeDirectory(directory)
    }
    try? SystemCalls.removeDirectory(work)
  }
}

extension UInt64 {
  /// The sum, or the largest number where that is larger.
  func saturatingAdd(_ other: UInt64) -> UInt64 {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? .max : sum
  }
}
