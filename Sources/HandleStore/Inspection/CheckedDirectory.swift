internal import SystemPackage

/// Checks the store in a directory, while another process may write to it.
struct CheckedDirectory {
  /// How many times to run a check without a snapshot if the store keeps changing.
  private static let attempts = 3
  /// How long to try for a snapshot, in nanoseconds. A writer may overwrite a snapshot's meta page
  /// before it is read, and while it flushes a new one there is no snapshot that agrees with it.
  private static let patience: UInt64 = 30_000_000_000

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

  /// Returns whether LMDB can open the file.
  private func isReadable(_ file: PageFile) throws(StoreError) -> Bool {
    do throws(StoreError) {
      try file.requireWholeMeta(followEachOther: true)
      return true
    } catch .damaged {
      return false
    } catch .notAStore {
      return false
    }
  }

  /// Checks the file at one commit. It reads `state` after the meta page, so that the bound of ids
  /// covers every id in the data.
  private func report(
    _ meta: MetaPage?, of file: PageFile, atMost limit: Int
  ) throws(StoreError) -> CheckReport {
    let found = try FoundState(in: directory)
    let check = StoreCheck(file, state: found.state, meta: meta)
    check.stateFault = found.fault
    return check.run(atMost: limit)
  }

  // MARK: Snapshots

  /// Opens LMDB, or returns `nil` if it cannot be opened. The check uses only its meta pages and
  /// its reader table, to stop a writer from reusing the pages of a snapshot.
  private func openEnvironment() -> Environment? {
    var mode = EnvironmentMode()
    mode.readOnly = true
    return try? Environment(directory: directory, mode: mode, mapSize: 0, tables: Tables.count)
  }

  private func checkSnapshots(
    _ file: PageFile, _ environment: Environment, atMost limit: Int
  ) throws(StoreError) -> CheckReport {
    let end = SystemCalls.now + Self.patience
    while SystemCalls.now < end {
      for _ in 0..<100 {
        if let report = try checkSnapshot(file, environment, atMost: limit) { return report }
      }
      SystemCalls.sleep(microseconds: 100)
    }
    throw busy
  }

  /// Returns the report on the newest snapshot, or `nil` if a writer may be overwriting its meta
  /// page. A writer overwrites it only after a later commit is complete.
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
      // Using the snapshot here keeps it alive until the report is complete.
      return snapshot.number == Int(meta.transaction) ? report : nil
    } catch {
      throw StoreError(ofLMDB: error, path: directory.path)
    }
  }

  /// Checks the file without a snapshot. Changes by a writer then look like damage, so a report
  /// with findings counts only if the meta pages did not change meanwhile.
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
  /// The contents, or `nil` if they cannot be read.
  private(set) var state: StateFile?
  /// Why the contents cannot be read, or `nil`.
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

  /// Whether the directory has neither `state` nor data.
  var isNone: Bool { state == nil && fault == nil }

  /// Whether the store was begun and never finished. It has handed out no ids, and the next process
  /// that opens it for writing makes it anew.
  var isBeingMade: Bool { state?.session == .creating }
}

extension StateFile {
  /// The largest number of ids that may have been handed out.
  var idsHandedOut: UInt64 { idBound - min(idBound, NodeID.first.rawValue + skipped) }

  /// The number of nodes that may be lost, as the end of a sentence that says why no node can be
  /// read.
  var lossNote: String {
    idsHandedOut == 0 ? "" : ", and up to \(idsHandedOut) nodes that `state` counts are lost"
  }
}

extension CheckReport {
  /// Creates the report on a store of which nothing but this finding is known.
  fileprivate init(only finding: Finding) {
    findings = [finding]
    findingCount = 1
  }
}
