internal import SystemPackage

// How a map grows, so that its size need not be chosen. With MDB_WRITEMAP the file is as large as
// the map, and on a full disk a write to a page without a block is a SIGBUS; so the map never
// covers more than what fallocate(2) has given blocks. Without MDB_WRITEMAP the blocks are
// allocated too if the filesystem can, because LMDB reports a full disk and a broken one alike.
// LMDB itself never goes past the map: it reports MDB_MAP_FULL, the transaction is undone, the map
// grows, and the transaction runs again.
extension Environment {
  /// The size of a new store's map, in bytes.
  static let initialMapSize = 1 << 20
  /// A map doubles up to this size in bytes and grows by a quarter beyond it. Moving a map costs a
  /// page fault for each page that is used again.
  private static let doubledSize = 256 << 20
  private static let leastStep = 1 << 20
  private static let mostStep = 1 << 30

  /// Gives every page of the map its block, if the mode requires it.
  func allocateMap() throws {
    if mode.allocates { try allocate(info.mapSize) }
  }

  /// Makes room for a transaction that reached the end of the map: frees the slots of dead readers
  /// or, if there are none, grows the map. No transaction of this thread may be open.
  ///
  /// - Parameters:
  ///   - growths: how often the map has already grown for this transaction. The step is larger each
  ///     time, up to 1 GiB.
  ///   - limit: the longest step, in bytes, if it is a MiB or more.
  func grow(after growths: Int, by limit: Int = .max) throws {
    if reapDeadReaders() > 0 { return }
    let size = info.mapSize
    let usual = size < Self.doubledSize ? size : size / 4
    let wanted = min(max(usual, Self.leastStep) << min(growths, 10), Self.mostStep)
    let step = max(min(wanted, limit), Self.leastStep)
    do {
      try growMap(by: step)
    } catch let error as LMDBError where error.isDiskFull && step > Self.leastStep {
      try growMap(by: Self.leastStep)
    }
  }

  private func growMap(by step: Int) throws {
    let size = info.mapSize
    let grown = (size + step) & ~(Self.leastStep - 1)
    if mode.allocates {
      do {
        try allocate(grown)
      } catch {
        // Give the new space back: a full disk needs it elsewhere.
        try? SystemCalls.truncate(dataFile, to: size)
        throw error
      }
    }
    try resizeMap(to: grown)
  }

  /// Returns what the error of a failed commit means. LMDB reports EIO if a write was short, and a
  /// broken disk reports EIO too. Writing another file shows which of the two it is.
  func meaning(of error: LMDBError) -> LMDBError {
    guard error.code == Errno.ioError.rawValue else { return error }
    let name: FilePath.Component = "state.new"
    defer { try? directory.unlink(name) }
    do throws(Errno) {
      let file = try directory.open(name, flags: SystemCalls.createEmpty, mode: 0o600)
      try SystemCalls.writeAll(file.descriptor, [UInt8](repeating: 0, count: Self.leastStep))
      return error
    } catch {
      return LMDBError(code: error.rawValue)
    }
  }

  /// Grows the map if it may lack room for `nodes` more nodes. An estimate: a node takes about 128
  /// bytes and may cause a copy of one page of the index; the index has half of all pages.
  func makeRoom(for nodes: Int) throws {
    let info = self.info
    let copied = min(nodes, info.lastPage / 2)
    let needed = (info.lastPage + 1 + copied) * pageSize + nodes * 128
    guard needed > info.mapSize else { return }
    do {
      try grow(after: 0)
    } catch let error as LMDBError where error.isDiskFull {
      // The free pages may be enough.
    }
  }

  private func allocate(_ length: Int) throws {
    do throws(Errno) {
      do throws(Errno) {
        // On XFS a copied file can share its blocks with the original, and a write to a shared
        // block needs a new one.
        try SystemCalls.allocate(dataFile, length: length, unshare: true)
      } catch .notSupported {
        try SystemCalls.allocate(dataFile, length: length)
      }
    } catch {
      throw LMDBError(code: error.rawValue)
    }
  }
}
