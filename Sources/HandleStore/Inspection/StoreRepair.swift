internal import SystemPackage

/// Repairs a store. It collects what can be saved and puts it into a new file. The new file takes
/// the place of the old one only when it is complete and on the disk.
struct StoreRepair {
  /// How far above the highest id seen a repaired store continues if its bound of ids is lost.
  static let margin: UInt64 = 1 << 40

  private static let workName: FilePath.Component = "repair"

  private let directory: OpenDirectory
  /// Returns the number of the store if neither its data nor its `state` say it.
  private let number: () -> UInt64?

  init(_ directory: OpenDirectory, number: @escaping () -> UInt64?) {
    self.directory = directory
    self.number = number
  }

  func run() throws -> RepairReport {
    try requireStore()
    let lock = try WriterLock(directory)
    defer { withExtendedLifetime(lock) {} }
    removeWork()
    let work = try directory.makeDirectory(Self.workName)
    defer { removeWork() }
    let old = try FoundState(in: directory)
    return try replace(old, try rebuild(old, in: work), from: work)
  }

  /// Checks that the directory has a store, before the repair makes anything in it.
  private func requireStore() throws {
    let found = try FoundState(in: directory)
    if found.isNone || found.isBeingMade { throw StoreError.noStore(path: directory.path) }
    let file = try original()
    try file?.requireVersion()
    if found.state == nil && file?.newest == nil {
      throw StoreError.notAStore(
        path: directory.path, reason: "neither its `state` nor its data.mdb can be read")
    }
  }

  // MARK: The new file

  /// What went into the new file.
  private struct Result {
    let store: UInt64
    let highest: UInt64
    /// The number of nodes that the original says it had, or `nil` if it does not say.
    let expected: Int?
    let foundFilesystems: Int
    let knowsNewest: Bool
    let counts: Rebuild.Counts
  }

  private func rebuild(_ old: FoundState, in work: OpenDirectory) throws -> Result {
    let found = try Harvest(in: work.makeDirectory("found"), .first)
    let original = try original()
    let salvage = original.map { Salvage($0, into: found) }
    try salvage?.run(lost: Harvest(in: work.makeDirectory("lost"), .unanimous))
    let known = salvage?.filesystems ?? [:]
    let foundAgain = try LostFilesystems(of: found).recovered(without: known)
    var rebuild = try Rebuild(
      in: work.makeDirectory("new"), found, known.merging(foundAgain) { known, _ in known })
    let store =
      salvage?.store ?? old.state?.store ?? number()
      ?? .random(in: 1...UInt64.max)
    try rebuild.run(store: store, hasAllWatches: salvage?.hasAllWatches ?? false)
    return Result(
      store: store, highest: salvage?.highest ?? 0, expected: salvage?.expected,
      foundFilesystems: foundAgain.count, knowsNewest: original?.knowsNewest ?? true,
      counts: rebuild.counts)
  }

  private func original() throws(StoreError) -> PageFile? {
    do throws(StoreError) {
      return try PageFile(in: directory)
    } catch .damaged {
      return nil  // There is no data file.
    }
  }

  // MARK: The state

  /// Returns the new `state`, and whether it is a new file. It gets a new incarnation if the old
  /// file cannot be read or belongs to another store.
  private func state(
    _ old: FoundState, store: UInt64, highest: UInt64
  ) throws -> (StateFile, isNew: Bool) {
    if var state = old.state, state.store == store {
      state.idBound = max(state.idBound, highest.saturatingAdd(1))
      state.session = .closed
      // A copy stays one, although its `state` is written anew: it may yet take the original's place.
      let seen = state.directory(seenIn: try Era(of: directory))
      if try state.isCopy(in: LMDBOpening.identity(of: directory, seen: seen)) {
        state.directory = nil
      }
      return (state, false)
    }
    let seen = max(old.state?.idBound ?? NodeID.first.rawValue, highest.saturatingAdd(1))
    let state = StateFile(
      store: store, incarnation: .random(in: 1...UInt32.max),
      idBound: seen.saturatingAdd(Self.margin), session: .closed,
      durability: old.state?.durability ?? .process, era: try Era(of: directory),
      directory: nil)
    return (state, true)
  }

  // MARK: Replacing the original

  private func replace(
    _ old: FoundState, _ result: Result, from work: OpenDirectory
  ) throws -> RepairReport {
    let new = try work.directory("new")
    let (state, isNew) = try state(old, store: result.store, highest: result.highest)
    let data = try new.open(PageFile.name, flags: SystemCalls.readWrite)
    try SystemCalls.sync(data.descriptor)
    let originals = try makeOriginals()
    let time = UTCTime(seconds: SystemCalls.epochSeconds).name
    let original = try preserve(PageFile.name, as: "data-\(time)", suffix: ".mdb", in: originals)
    let originalState = isNew ? try preserve("state", as: "state-\(time)", in: originals) : nil
    try new.rename(PageFile.name, to: PageFile.name, in: directory)
    // `lock.mdb` holds LMDB's reader table and newest commit number, which belong to the old file.
    try? directory.unlink("lock.mdb")
    try directory.sync()
    try state.write(in: directory)
    let counts = result.counts
    return RepairReport(
      kept: counts.kept,
      setAside: setAside(old, result),
      mayBeLost: result.expected == nil || !result.knowsNewest ? mayBeLost(old, result) : 0,
      lostFilesystems: counts.lostFilesystems.count, foundFilesystems: result.foundFilesystems,
      retired: counts.retired, mayLackNewestCommit: !result.knowsNewest, original: original,
      originalState: originalState)
  }

  private func setAside(_ old: FoundState, _ result: Result) -> Int {
    // The original's own count may be damaged too.
    let expected = min(result.expected ?? 0, handedOut(old, result))
    return max(expected - result.counts.kept, result.counts.dropped)
  }

  private func mayBeLost(_ old: FoundState, _ result: Result) -> Int {
    max(0, handedOut(old, result) - result.counts.kept - result.counts.dropped)
  }

  /// Returns the number of ids that were handed out, as far as known.
  private func handedOut(_ old: FoundState, _ result: Result) -> Int {
    let seen = max(result.highest.saturatingAdd(1), NodeID.first.rawValue) - NodeID.first.rawValue
    let skipped = min(seen, old.state?.skipped ?? 0)
    return Int(clamping: max(old.state?.idsHandedOut ?? 0, seen - skipped))
  }

  /// Gives a file a second name in the directory of kept files, and returns its path, or `nil` if
  /// there is no such file.
  private func preserve(
    _ file: FilePath.Component, as name: String, suffix: String = "",
    in originals: OpenDirectory, attempt: Int = 1
  ) throws -> FilePath? {
    let number = attempt == 1 ? "" : "-\(attempt)"
    guard let target = FilePath.Component(name + number + suffix) else { return nil }
    switch try link(file, to: target, in: originals) {
    case .made: return originals.path(of: target)
    case .missing: return nil
    case .taken:
      return try preserve(file, as: name, suffix: suffix, in: originals, attempt: attempt + 1)
    }
  }

  private enum Link { case made, missing, taken }

  private func link(
    _ file: FilePath.Component, to target: FilePath.Component, in originals: OpenDirectory
  ) throws -> Link {
    do throws(Errno) {
      try directory.link(file, to: target, in: originals)
      try originals.sync()
      return .made
    } catch .fileExists {
      return .taken
    } catch .noSuchFileOrDirectory {
      return .missing
    }
  }

  private func makeOriginals() throws -> OpenDirectory {
    let name: FilePath.Component = "set-aside"
    do throws(Errno) {
      return try directory.makeDirectory(name)
    } catch .fileExists {
      return try directory.directory(name)
    }
  }

  // MARK: Working directory

  /// Removes the working directory of this repair, or of one that was killed.
  private func removeWork() {
    guard let work = try? directory.directory(Self.workName) else { return }
    for name in ["found", "lost", "new"] as [FilePath.Component] {
      guard let part = try? work.directory(name) else { continue }
      for file in ["data.mdb", "lock.mdb"] as [FilePath.Component] { try? part.unlink(file) }
      try? work.removeDirectory(name)
    }
    try? directory.removeDirectory(Self.workName)
  }
}

extension UInt64 {
  /// Returns the sum, or `UInt64.max` if it overflows.
  func saturatingAdd(_ other: UInt64) -> UInt64 {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? .max : sum
  }
}
