internal import SystemPackage

/// A store's directory that is checked, while a process may write to the store.
struct CheckedDirectory {
  /// How often a check without a snapshot is begun again where the store changed meanwhile.
  private static let attempts = 3
  /// How often a snapshot is taken until its meta page is read before it is written again.
  private static let snapshots = 10_000

  private let directory: OpenDirectory

  init(_ directory: OpenDirectory) { self.directory = directory }

  func check(atMost limit: Int) throws(StoreError) -> CheckReport {
    let state = try FoundState(in: directory)
    if state.isNone || state.isBeingMade { throw .noStore(path: directory.path) }
    do throws(StoreError) {
      let file = try PageFile(in: directory)
      guard try isReadable(file) else { return try report(nil, of: file, atMost: limit) }
      guard let environment = openEnvironment() else { return try checkUnpinned(atMost: limit) }
      defer {
        environment.stop()
        environment.close(trimming: false)
      }
      return try checkSnapshots(file, environment, atMost: limit)
    } catch .damaged(let what) {
      if let reason = state.fault { throw .notAStore(path: directory.path, reason: reason) }
      return CheckReport(only: Finding(.file, what + (state.state?.lossNote ?? "")))
    }
  }

  /// Whether LMDB can open the file.
  private func isReadable(_ file: PageFile) throws(StoreError) -> Bool {
    do throws(StoreError) {
      try file.requireWholeMeta()
      return true
    } catch .damaged {
      return false
    } catch .notAStore {
      return false
    }
  }

  /// The state is read behind the meta page, so that it has every id that the data have.
  private func report(
    _ meta: MetaPage?, of file: PageFile, atMost limit: Int
  ) throws(StoreError) -> CheckReport {
    let found = try FoundState(in: directory)
    let check = StoreCheck(file, state: found.state, meta: meta)
    check.stateFault = found.fault
    return check.run(atMost: limit)
  }

  // MARK: Snapshots

  /// LMDB, of which only the meta pages and the table of readers are used: to keep a writer from using
  /// the pages of a snapshot again. `nil` where that cannot be had.
  private func openEnvironment() -> Environment? {
    var mode = EnvironmentMode()
    mode.readOnly = true
    return try? Environment(directory: directory, mode: mode, mapSize: 0, tables: Tables.count)
  }

  private func checkSnapshots(
    _ file: PageFile, _ environment: Environment, atMost limit: Int
  ) throws(StoreError) -> CheckReport {
    for _ in 0..<Self.snapshots {
      if let report = try checkSnapshot(file, environment, atMost: limit) { return report }
    }
    throw busy
  }

  /// The report on the newest snapshot, or `nil` where its meta page may be being written again: while
  /// no later commit is whole, none is.
  private func checkSnapshot(
    _ file: PageFile, _ environment: Environment, atMost limit: Int
  ) throws(StoreError) -> CheckReport? {
    do {
      guard let snapshot = try environment.read() else { return nil }
      let meta = file.currentMeta(snapshot.number & 1)
      guard let meta, meta.transaction == UInt64(snapshot.number),
        environment.info.transaction == snapshot.number
      else { return nil }
      let report = try report(meta, of: file, atMost: limit)
      // The snapshot is held until here.
      return snapshot.number == Int(meta.transaction) ? report : nil
    } catch {
      throw StoreError(any: error, path: directory.path)
    }
  }

  /// Without a snapshot, what a writer changed meanwhile looks like damage.
  private func checkUnpinned(atMost limit: Int) throws(StoreError) -> CheckReport {
    for _ in 0..<Self.attempts {
      let file = try PageFile(in: directory)
      let report = try report(nil, of: file, atMost: limit)
      if report.isSound { return report }
      if try PageFile(in: directory).metas == file.metas { return report }
    }
    throw busy
  }

  private var busy: StoreError { .inUse(path: directory.path, pid: WriterLock.holder(directory)) }
}

/// The file `state` of a store that may be damaged.
struct FoundState {
  /// What it says, where it can be read.
  private(set) var state: StateFile?
  /// Why not, where it cannot.
  private(set) var fault: String?

  /// - Throws: ``StoreError/unsupportedVersion(found:supported:)``, ``StoreError/system(_:_:)``.
  init(in directory: OpenDirectory) throws(StoreError) {
    do throws(StoreError) {
      state = try StateFile.read(in: directory)
      if state == nil && directory.has(PageFile.name) {
        fault = "the file `state` is missing"
      }
    } catch .notAStore(_, let reason) {
      fault = reason
    } catch .damaged(let reason) {
      fault = reason
    }
  }

  /// Whether there is neither a state nor data.
  var isNone: Bool { state == nil && fault == nil }

  /// Whether a store was begun and never finished: it has handed out nothing, and whoever opens it for
  /// writing makes it anew.
  var isBeingMade: Bool { state?.session == .creating }
}

extension StateFile {
  /// How many ids were handed out at the most.
  var idsHandedOut: UInt64 { idBound - min(idBound, NodeID.first.rawValue + skipped) }

  /// Continues a sentence that says why no node can be read.
  var lossNote: String {
    idsHandedOut == 0 ? "" : ", and `state` knows of up to \(idsHandedOut) nodes, which are lost"
  }
}

extension CheckReport {
  /// Of a store of which nothing but this can be said.
  fileprivate init(only finding: Finding) {
    findings = [finding]
    findingCount = 1
  }
}
