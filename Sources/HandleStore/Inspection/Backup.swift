internal import SystemPackage

/// The directory of a backup.
struct Backup {
  private let original: FilePath
  private let path: FilePath

  init(of original: FilePath, to path: FilePath) {
    self.original = original
    self.path = path
  }

  /// Makes the directory, or sees that it is empty.
  func prepare() throws {
    do throws(Errno) {
      try SystemCalls.makeDirectory(path, mode: 0o700)
    } catch .fileExists {
      let directory = OwnedDescriptor(try SystemCalls.open(path, flags: SystemCalls.directory))
      var entries = DirectoryEntries(of: directory.descriptor)
      guard try entries.next() == nil else {
        throw StoreError(Errno.directoryNotEmpty, "backing up to \(path)")
      }
    } catch .noSpace, .diskQuotaExceeded {
      throw StoreError.diskFull(path: path)
    } catch {
      throw StoreError(error, "making \(path)")
    }
  }

  /// Flushes the data and writes a state that belongs to them: as it is on the disk after the data were
  /// copied, with a bound above all that the original may hand out in its life.
  func finish() throws {
    let data = OwnedDescriptor(
      try SystemCalls.open(path.appending("data.mdb"), flags: SystemCalls.create))
    try SystemCalls.sync(data.descriptor)
    guard var state = try StateFile.read(in: original) else {
      throw StoreError.damaged("the file `state` is missing")
    }
    state.idBound = state.idBound.saturatingAdd(StoreRepair.margin)
    state.session = .closed
    try state.write(in: path)
    try copyExports()
    try SmallFile.syncDirectory(path.removingLastComponent())
  }

  /// With its exports and keys, the copy takes the tokens of the original; and it gives out the same inode
  /// numbers.
  private func copyExports() throws {
    let catalog = try ExportCatalog(in: original)
    if !catalog.exports.isEmpty { try catalog.write(in: path) }
    try Keyring.read(in: original)?.write(in: path)
    let namespaces = try NamespaceTable(in: original)
    if !namespaces.numbers.isEmpty { try namespaces.write(in: path) }
  }

  /// Removes what was made of a backup that failed.
  func remove() {
    for file in [
      "data.mdb", "lock.mdb", "state", "state.new", "exports", "exports.new", "keys", "keys.new",
      "namespaces", "namespaces.new",
    ] {
      try? SystemCalls.unlink(path.appending(file))
    }
    try? SystemCalls.removeDirectory(path)
  }
}
