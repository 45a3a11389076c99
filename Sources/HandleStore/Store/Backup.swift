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
    directory = try Self.emptyDirectory(at: path)
  }

  /// Makes a directory for a copy of a store, or opens an empty one.
  static func emptyDirectory(at path: FilePath) throws(StoreError) -> OpenDirectory {
    do throws(Errno) {
      try SystemCalls.makeDirectory(path, mode: 0o700)
    } catch .fileExists {
    } catch {
      throw error.isDiskFull
        ? StoreError.diskFull(path: path) : StoreError(error, "creating \(path)")
    }
    do throws(Errno) {
      let directory = try OpenDirectory(path)
      var entries = DirectoryEntries(of: directory.descriptor)
      guard try entries.read() == nil else { throw .directoryNotEmpty }
      return directory
    } catch {
      throw StoreError(error, "copying to \(path)")
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
    try original.copy(of: state.store, to: directory)
    try directory.syncParent()
  }

  /// Removes the files and the directory of a backup that failed.
  func remove() { Self.remove(directory) }

  static func remove(_ directory: OpenDirectory) {
    for file in files { try? directory.unlink(file) }
    try? SystemCalls.removeDirectory(directory.path)
  }
}

extension SmallFiles {
  /// Copies the exports, the keys and the namespaces of a store. With these, a copy of the store accepts
  /// the original's tokens and gives out the same inode numbers.
  package func copy(of store: UInt64, to other: any SmallFiles) throws(StoreError) {
    let catalog = try ExportCatalog(in: self, of: store)
    if !catalog.exports.isEmpty { try catalog.write(in: other) }
    try Keyring.read(in: self, of: store)?.write(in: other)
    let namespaces = try NamespaceTable(in: self, of: store)
    if !namespaces.numbers.isEmpty { try namespaces.write(in: other) }
  }
}
