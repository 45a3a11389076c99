internal import SystemPackage

// How a map grows, so that nobody has to choose its size. With MDB_WRITEMAP the file is as large as
// the map, and a page without a block would be a SIGBUS on a full disk; so the map never covers more
// than what fallocate(2) has given blocks. Without MDB_WRITEMAP it is done too where it can be, for
// LMDB does not tell a full disk from a broken one. LMDB itself never goes past the map: it reports
// MDB_MAP_FULL, the transaction is undone, the map grows, and the transaction runs again.
extension Environment {
  /// The size of a new store's map.
  static let initialMapSize = 1 << 20
  /// A map doubles up to this size, and grows by a quarter from there on: moving it costs a page
  /// fault for each page that is used again.
  private static let doubledSize = 256 << 20
  private static let leastStep = 1 << 20
  private static let mostStep = 1 << 30

  /// Gives every page of the map its block where that is needed.
  func allocateMap() throws {
    if mode.allocates { try allocate(info.mapSize) }
  }

  /// Makes room behind a transaction that met the end of the map. No transaction of this thread is
  /// open.
  ///
  /// - Parameter growths: how many times the map has grown for this transaction, which is given more
  ///   each time.
  func grow(after growths: Int) throws {
    if reapDeadReaders() > 0 { return }
    let size = info.mapSize
    let usual = size < Self.doubledSize ? size : size / 4
    let step = min(max(usual, Self.leastStep) << min(growths, 10), Self.mostStep)
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
        // Gives back what there was: others need it more.
        try? SystemCalls.truncate(dataFile, to: size)
        throw error
      }
    }
    try resizeMap(to: grown)
  }

  /// What a failed commit means. LMDB says EIO where less was written than it asked for, and so does
  /// a broken disk; which it is shows when something else is written.
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

  /// Grows the map where there may not be room for some more nodes. An estimate: a node takes about
  /// 128 bytes, and may have a page of the index copied, which is half of all pages.
  func makeRoom(for nodes: Int) throws {
    let info = self.info
    let copied = min(nodes, info.lastPage / 2)
    let needed = (info.lastPage + 1 + copied) * pageSize + nodes * 128
    guard needed > info.mapSize else { return }
    do {
      try grow(after: 0)
    } catch let error as LMDBError where error.isDiskFull {
      // There may be free pages enough.
    }
  }

  private func allocate(_ length: Int) throws {
    do throws(Errno) {
      do throws(Errno) {
        // A copy shares its blocks with the original where the filesystem can do that (XFS), and a
        // write to one of those needs another.
        try SystemCalls.allocate(dataFile, length: length, unshare: true)
      } catch .notSupported {
        try SystemCalls.allocate(dataFile, length: length)
      }
    } catch {
      throw LMDBError(code: error.rawValue)
    }
  }
}
