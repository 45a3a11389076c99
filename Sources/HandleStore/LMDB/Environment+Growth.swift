internal import SystemPackage

// How a map grows, so that nobody has to choose its size. With MDB_WRITEMAP the file is as large as
// the map, and a page without a block would be a SIGBUS on a full disk; so the map never covers more
// than what fallocate(2) has given blocks. LMDB itself never goes past the map: it reports
// MDB_MAP_FULL, the transaction is undone, the map grows, and the transaction runs again.
extension Environment {
  /// The size of a new store's map.
  static let initialMapSize = 1 << 20
  /// A map grows by a quarter, and by this much at the least and at the most.
  private static let leastStep = 1 << 20
  private static let mostStep = 1 << 30

  /// Gives every page of the map its block where that is needed.
  func allocateMap() throws {
    if mode.writeMap { try allocate(info.mapSize) }
  }

  /// Makes room behind a transaction that met the end of the map. No transaction of this thread is
  /// open.
  func grow() throws {
    if reapDeadReaders() > 0 { return }
    let size = info.mapSize
    let step = min(max(size / 4, Self.leastStep), Self.mostStep)
    let grown = (size + step) & ~(Self.leastStep - 1)
    if mode.writeMap { try allocate(grown) }
    try resizeMap(to: grown)
  }

  private func allocate(_ length: Int) throws {
    do throws(Errno) {
      try SystemCalls.allocate(dataFile, length: length, unshare: false)
    } catch {
      throw LMDBError(code: error.rawValue)
    }
  }
}
