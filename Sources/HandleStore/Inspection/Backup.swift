internal import SystemPackage

/// The directory of a backup.
struct Backup {
  /// The files that a backup has.
  private static let files: [FilePath.Component] = [
    "data.mdb", "lock.mdb", "state", "state.new", "exports", "exports.new", "keys", "keys.new",
    "namespaces", "namespaces.new",
  ]

  private let original: OpenDirectory
  let directory: OpenDirectory

  /// Makes the directory, or sees that it is empty.
  init(of original: OpenDirectory, to path: FilePath) throws {
    self.original = original
    do throws(Errno) {
      try SystemCalls.makeDirectory(path, mode: 0o700)
    } catch .fileExists {
    } catch {
      throw error.isDiskFull
        ? StoreError.diskFull(path: path) : StoreError(error, "making \(path)")
    }
    do throws(Errno) {
      directory = try OpenDirectory(path)
      var entries = DirectoryEntries(of: directory.descriptor)
      guard try entries.next() == nil else { throw .directoryNotEmpty }
    } catch {
      throw StoreError(error, "backing up to \(path)")
    }
  }

  /// Flushes the data and writes a state that belongs to them: as it is on the disk after the data were
  /// copied. It belongs to no directory yet, so the first writer that opens it makes it a store of its
  /// own.
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

  /// With its exports and keys, the copy takes the tokens of the original; and it gives out the same inode
  /// numbers.
  private func copyExports(of store: UInt64) throws {
    let catalog = try ExportCatalog(in: original, of: store)
    if !catalog.exports.isEmpty { try catalog.write(in: directory) }
    try Keyring.read(in: original, of: store)?.write(in: directory)
    let namespaces = try NamespaceTable(in: original)
    if !namespaces.numbers.isEmpty { try namespaces.write(in: directory) }
  }

  /// Removes what was made of a backup that failed.
  func remove() {
    for file in Self.files { try? directory.unlink(file) }
    try? SystemCalls.removeDirectory(directory.path)
  }
}
