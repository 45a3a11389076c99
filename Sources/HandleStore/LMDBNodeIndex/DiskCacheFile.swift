internal import HandleLocks
internal import SystemPackage

/// The directory of a ``DiskCache``. Its file `cache` says when the data were written, and to which file.
/// If it says something else than it should, the cache starts again empty.
final class DiskCacheDirectory: Sendable {
  private let directory: OpenDirectory
  private let lock: Locked<WriterLock?>
  private let claim: Locked<OpenStoreClaim?>

  private static let marker: FilePath.Component = "cache"

  /// - Throws: ``StoreError/system(_:_:)`` with `EBUSY` if something uses the directory,
  ///   ``StoreError/badValue(_:)`` if it is somebody else's, ``StoreError/diskFull(path:)``, and what
  ///   the kernel says.
  init(_ path: FilePath) throws(StoreError) {
    do throws(StoreError) {
      directory = try OpenDirectory.openingOrMaking(path)
      claim = Locked(try OpenStoreClaim(directory))
      try Self.requireOwn(directory)
      lock = Locked(try WriterLock(directory))
    } catch .inUse(_, let pid) {
      let user = pid.map { "process \($0)" } ?? "another process"
      throw .system(.resourceBusy, "opening the cache \(path), which \(user) uses")
    } catch .alreadyOpen {
      throw .system(.resourceBusy, "opening the cache \(path), which this process uses already")
    } catch .notAStore {
      throw .system(.notDirectory, "opening the cache \(path)")
    }
  }

  var path: FilePath { directory.path }

  var isOpen: Bool { claim.withLock { $0 != nil } }

  func close() {
    lock.withLock { $0 = nil }
    claim.withLock { $0 = nil }
    directory.close()
  }

  // MARK: Whose it is

  private static let title = "handlestore-cache 1"

  /// Throws if the directory is neither a cache nor empty, before anything in it is changed.
  private static func requireOwn(_ directory: OpenDirectory) throws(StoreError) {
    if let text = try directory.text(of: marker)?.text {
      // A process that was killed while it made a cache, or opened it, leaves an empty mark.
      guard text.isEmpty || text.hasPrefix("handlestore-cache ") else {
        throw notOwn(directory)
      }
      return
    }
    do throws(Errno) {
      var entries = DirectoryEntries(of: directory.descriptor)
      while let entry = try entries.read() {
        if entry.name != "writer" { throw Errno.directoryNotEmpty }
      }
    } catch .directoryNotEmpty {
      throw notOwn(directory)
    } catch {
      throw StoreError(error, "reading \(directory.path)")
    }
  }

  private static func notOwn(_ directory: OpenDirectory) -> StoreError {
    .badValue(
      "\(directory.path) is no cache of a gateway and not empty; name a directory of its own")
  }

  /// Writes the file `cache`. It need not survive a power cut, after which the cache is empty anyway.
  private func mark(_ text: String) throws(StoreError) {
    do throws(Errno) {
      let file = try directory.open(
        Self.marker, flags: SystemCalls.createEmpty, mode: 0o600)
      try SystemCalls.writeAll(file.descriptor, Array(text.utf8))
    } catch {
      throw error.isDiskFull
        ? .diskFull(path: path)
        : StoreError(error, "writing \(directory.path(of: Self.marker))")
    }
  }

  // MARK: The file

  /// Opens the file with the nodes that are here already. A new one, if they cannot be used; also if
  /// an earlier process ended while it opened this one.
  func open() throws(StoreError) -> DiskCacheFile {
    let found = try directory.text(of: Self.marker)?.text
    guard let found, try found == text(), isWhole else { return try makeFile() }
    try mark("")
    guard let file = try? openFile() else { return try makeFile() }
    do {
      if let transaction = try file.environment.read() { _ = try file.position(in: transaction) }
      try mark(found)
      return file
    } catch {
      file.close()
      return try makeFile()
    }
  }

  private func makeFile() throws(StoreError) -> DiskCacheFile {
    try startData()
    return try openFile()
  }

  /// Makes new data, without nodes, in place of those of a file that was closed.
  func reopen(_ file: DiskCacheFile) throws(StoreError) {
    try startData()
    do {
      try file.reopen()
    } catch {
      throw StoreError(ofLMDB: error, path: path)
    }
  }

  private func startData() throws(StoreError) {
    // First the mark that these are the cache's files.
    try mark("")
    try directory.startData()
    if let text = try text() { try mark(text) }
  }

  /// What the file `cache` should say: that nothing was lost since the data were written, and that they
  /// are no copy. `nil` if there are no data.
  private func text() throws(StoreError) -> String? {
    guard
      let file = try? directory.open(PageFile.name, flags: SystemCalls.readOnly),
      let status = try? FullStatus(of: file.descriptor)
    else { return nil }
    return """
      \(Self.title)
      era \(try Era(of: directory).text)
      data \(status.inodeIdentity)

      """
  }

  /// Whether LMDB can map the data.
  private var isWhole: Bool {
    do {
      try PageFile(in: directory).requireWholeMeta(followEachOther: true)
      return true
    } catch {
      return false
    }
  }

  private func openFile() throws(StoreError) -> DiskCacheFile {
    do {
      var mode = EnvironmentMode()
      mode.noSync = true
      mode.allocates = try lock.withLock { try $0?.canAllocateAhead ?? false }
      mode.writeMap = mode.allocates
      return try DiskCacheFile(in: directory, mode)
    } catch {
      throw StoreError(ofLMDB: error, path: path)
    }
  }
}

/// The open file of a ``DiskCache``: one after the other, if it starts again.
struct DiskCacheFile: Sendable {
  let environment: Environment
  let tables: Tables
  let positions: Table<UInt64, PositionText>

  init(in directory: OpenDirectory, _ mode: EnvironmentMode) throws {
    environment = try Environment(
      directory: directory, mode: mode, mapSize: Environment.initialMapSize,
      tables: Tables.count + 1)
    do {
      (tables, positions) = try Self.makeTables(in: environment)
    } catch {
      environment.stop()
      environment.close(trimming: false)
      throw error
    }
  }

  /// Opens another file, after ``close()``.
  func reopen() throws {
    try environment.reopen(mapSize: Environment.initialMapSize)
    do {
      // LMDB counts the tables in the order in which they are opened, so they have the same numbers.
      let (tables, positions) = try Self.makeTables(in: environment)
      guard tables.nodes.dbi == self.tables.nodes.dbi, positions.dbi == self.positions.dbi else {
        throw LMDBError.corrupted
      }
    } catch {
      environment.close(trimming: false)
      throw error
    }
    environment.start()
  }

  private static func makeTables(
    in environment: Environment
  ) throws -> (Tables, Table<UInt64, PositionText>) {
    // This comes first: until then, a write to the map may raise SIGBUS.
    try environment.allocateMap()
    let tables = try Tables(environment, create: true)
    let numbers = try environment.openTables([("positions", integerKeys: true)], create: true)
    return (tables, Table(dbi: numbers[0]))
  }

  /// Returns the text that says which changes of the nodes the cache knows; `nil` if there is none.
  func position(in transaction: borrowing ReadTransaction) throws -> String? {
    var text = PositionText()
    guard let size = try transaction.get(0, from: positions, into: &text) else { return nil }
    return text.text(size: size)
  }

  /// Runs a body in a transaction, for which the file grows as long as a tenth of the filesystem stays
  /// free.
  func commit(_ body: (DiskCacheFile, borrowing WriteTransaction) throws -> Void) throws {
    var growths = 0
    while true {
      do {
        let transaction = try environment.write()
        try body(self, transaction)
        return try transaction.commit()
      } catch let error as LMDBError where error == .mapFull {
        let room = SystemCalls.space(of: environment.dataFile).map { $0.free - $0.total / 10 } ?? 0
        guard room >= 1 << 20 else { throw error }
        try environment.grow(after: growths, by: room)
        growths += 1
      }
    }
  }

  /// Waits for the running reads; from now on there are none.
  func close() {
    environment.stop()
    environment.close(trimming: false)
  }
}
