internal import SystemPackage

/// A backup that is being made: the original store's directory and the copy's.
struct Backup {
  /// The files that a backup may contain.
  private static let files: [FilePath.Component] = [
    "data.mdb", "lock.mdb", "state", "state.new", "exports", "exports.new", "keys", "keys.new",
    "namespaces", "namespaces.new",
  ]

  private let original: OpenDirectory
  let directory: OpenDirectory

  /// Makes the directory if it does not exist, and checks that it is empty.
  init(of original: OpenDirectory, to path: FilePath) throws {
    self.original = original
    do throws(Errno) {
      try SystemCalls.makeDirectory(path, mode: 0o700)
    } catch .fileExists {
    } catch {
      throw error.isDiskFull
        ? StoreError.diskFull(path: path) : StoreError(error, "creating \(path)")
    }
    do throws(Errno) {
      directory = try OpenDirectory(path)
      var entries = DirectoryEntries(of: directory.descriptor)
      guard try entries.read() == nil else { throw .directoryNotEmpty }
    } catch {
      throw StoreError(error, "backing up to \(path)")
    }
  }

  /// Flushes the data and writes a `state` for the copy.
  ///
  /// It reads the original's `state` after the data were copied, so that the bound of ids covers
  /// every id in the copy. The copy's `state` names no directory yet, so the first writer that
  /// opens the copy makes it a store of its own.
  func finish() throws {
    let data = try directory.open(PageFile.name, flags: SystemCalls.readWrite)
    try SystemCalls.sync(data.descriptor)
    guard var state = try StateFile.read(in: original) else {
      throw StoreError.damaged("the file `state` is missing")
    }
    state.session = .closed
    state.directory = nil
    try state.write(in: directory)
    try copyExports(of: state.store)
    try directory.syncParent()
  }

  /// Copies the exports, the keys and the namespaces. With these, the copy accepts the original's
  /// tokens and gives out the same inode numbers.
  private func copyExports(of store: UInt64) throws {
    let catalog = try ExportCatalog(in: original, of: store)
    if !catalog.exports.isEmpty { try catalog.write(in: directory) }
    try Keyring.read(in: original, of: store)?.write(in: directory)
    let namespaces = try NamespaceTable(in: original, of: store)
    if !namespaces.numbers.isEmpty { try namespaces.write(in: directory) }
  }

  /// Removes the files and the directory of a backup that failed.
  func remove() {
    for file in Self.files { try? directory.unlink(file) }
    try? SystemCalls.removeDirectory(directory.path)
  }
}
