internal import Synchronization
internal import SystemPackage

/// The directory of a ``DiskCache``. Its file `cache` says when the data were written, and to which file.
/// If it says something else than it should, the cache starts again empty.
final class DiskCacheDirectory: Sendable {
  private let directory: OpenDirectory
  private let lock: Mutex<WriterLock?>
  private let claim: Mutex<OpenStoreClaim?>

  private static let marker: FilePath.Component = "cache"

  init(_ path: FilePath) throws(StoreError) {
    directory = try OpenDirectory.openingOrMaking(path)
    claim = Mutex(try OpenStoreClaim(directory))
    if try directory.text(of: Self.marker) == nil { try Self.requireEmpty(directory) }
    lock = Mutex(try WriterLock(directory))
  }

  var path: FilePath { directory.path }

  var isOpen: Bool { claim.withLock { $0 != nil } }

  func close() {
    lock.withLock { $0 = nil }
    claim.withLock { $0 = nil }
    directory.close()
  }

  /// Makes no file in a directory that is neither a cache nor empty.
  private static func requireEmpty(_ directory: OpenDirectory) throws(StoreError) {
    do throws(Errno) {
      var entries = DirectoryEntries(of: directory.descriptor)
      while let entry = try entries.read() {
        // A process that was killed while it made a cache leaves these.
        if ["writer", "cache.new"].contains(entry.name) { continue }
        throw Errno.directoryNotEmpty
      }
    } catch .directoryNotEmpty {
      throw .badValue(
        "\(directory.path) is no cache of a gateway and not empty; name a directory of its own")
    } catch {
      throw StoreError(error, "reading \(directory.path)")
    }
  }

  /// Opens the file with the nodes that are here already.
  func open() throws(StoreError) -> DiskCacheFile {
    let found = try directory.text(of: Self.marker)?.text
    guard let found, try found == text(), isWhole else { return try openAgain() }
    return try openFile()
  }

  /// Makes a new file, without nodes.
  func openAgain() throws(StoreError) -> DiskCacheFile {
    // First the mark that these are the cache's files.
    try directory.put("", in: Self.marker)
    try directory.startData()
    if let text = try text() { try directory.put(text, in: Self.marker) }
    return try openFile()
  }

  /// What the file `cache` should say: that nothing was lost since the data were written, and that they
  /// are no copy. `nil` if there are no data.
  private func text() throws(StoreError) -> String? {
    guard
      let file = try? directory.open(PageFile.name, flags: SystemCalls.readOnly),
      let status = try? FullStatus(of: file.descriptor)
    else { return nil }
    return """
      handlestore-cache 1
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

/// The open file of a ``DiskCache``.
struct DiskCacheFile {
  let environment: Environment
  let tables: Tables
  let positions: Table<UInt64, PositionText>

  init(in directory: OpenDirectory, _ mode: EnvironmentMode) throws {
    environment = try Environment(
      directory: directory, mode: mode, mapSize: Environment.initialMapSize,
      tables: Tables.count + 1)
    do {
      // This comes first: until then, a write to the map may raise SIGBUS.
      try environment.allocateMap()
      tables = try Tables(environment, create: true)
      positions = Table(
        dbi: try environment.openTables([("positions", integerKeys: true)], create: true)[0])
    } catch {
      environment.stop()
      environment.close(trimming: false)
      throw error
    }
  }

  /// Runs a body in a transaction, for which the file grows as long as a tenth of the filesystem stays
  /// free.
  func commit(_ body: (Self, borrowing WriteTransaction) throws -> Void) throws {
    var growths = 0
    while true {
      do {
        let transaction = try environment.write()
        try body(self, transaction)
        return try transaction.commit()
      } catch let error as LMDBError where error == .mapFull {
        guard SystemCalls.freeShare(of: environment.dataFile) ?? 0 > 0.1 else { throw error }
        try environment.grow(after: growths)
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
