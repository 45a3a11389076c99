internal import HandleStore
internal import Logging
internal import PostgresNodeIndex
internal import SystemPackage

/// Opens the store of a mount.
struct StoreOpening {
  private let options: MountOptions
  private let supervision: Supervision
  private let log: Logger

  init(_ options: MountOptions, _ supervision: Supervision, log: Logger) {
    (self.options, self.supervision, self.log) = (options, supervision, log)
  }

  func open() throws -> Store {
    guard let connection = options.database.connection else { return try openDirectory() }
    let history = MountHistory(in: supervision.session.history)
    guard history.mounted == 0 else { return try joinAgain(connection, history) }
    try requireDatabase(connection)
    let store = try join(connection)
    try history.record(incarnation: store.incarnation)
    return store
  }

  // MARK: In a directory

  /// Tries several times, because the server of a filesystem that was just unmounted may still be closing
  /// the store.
  private func openDirectory() throws -> Store {
    let path = FilePath("/proc/self/fd/\(supervision.session.store.rawValue)")
    let limit = options.nodes > 0 ? Retention.nodes(NodeBound.most(of: options.nodes)) : .forever
    for _ in 0..<20 {
      do {
        return try Store(at: path, options: StoreOptions(retention: limit))
      } catch {
        guard case .inUse = error else { throw error }
        Processes.sleep(milliseconds: 100)
      }
    }
    return try Store(at: path, options: StoreOptions(retention: limit))
  }

  // MARK: In a database

  /// How many nodes the gateway remembers. Each of the others costs a round trip.
  private static let cacheSize = 1 << 18

  private func join(_ connection: String, withCache: Bool = true) throws -> Store {
    try Store(
      shared: connection, cache: withCache ? options.database.cache.map { FilePath($0) } : nil,
      gateway: options.database.gateway ?? "",
      options: StoreOptions(cacheSize: Self.cacheSize),
      gatewayOptions: GatewayOptions(patience: .seconds(options.database.patience)))
  }

  /// Throws if the database cannot be used. A gateway would try again for a while, but who mounts a
  /// filesystem waits.
  private func requireDatabase(_ connection: String) throws {
    do throws(StoreError) {
      try Store(shared: connection, patience: .seconds(options.database.patience)).close()
    } catch .noStore {
      // The gateway makes it.
    }
  }

  /// Opens the store for a server that takes the place of another one. As long as that fails, tries again,
  /// and requests wait.
  private func joinAgain(_ connection: String, _ history: MountHistory) throws -> Store {
    let wait = DatabaseWait(options, supervision)
    wait.begin()
    var told = ""
    while true {
      do {
        let store = try joinAgain(connection)
        try require(store, of: history)
        wait.end()
        return store
      } catch {
        wait.note("\(error)")
        if told != "\(error)" {
          log.error(
            "the database of the nodes cannot be used; requests wait until it can",
            metadata: ["error": "\(error)"])
        }
        told = "\(error)"
        Processes.sleep(milliseconds: 500)
      }
    }
  }

  /// Joins. Without the cache, if that is at fault: no request needs it.
  private func joinAgain(_ connection: String) throws -> Store {
    do {
      return try join(connection)
    } catch let error as StoreError where options.database.cache != nil {
      guard error.code != .database, error.errno != .timedOut else { throw error }
      let store = try join(connection, withCache: false)
      log.warning(
        "the cache cannot be used; nodes are found in the database only, until the server starts again",
        metadata: ["cache": "\(options.database.cache ?? "")", "error": "\(error)"])
      return store
    }
  }

  /// Throws if the database has another store than when the filesystem was mounted. There the numbers that
  /// the kernel knows are those of other files.
  private func require(_ store: Store, of history: MountHistory) throws {
    guard store.incarnation != history.incarnation else { return }
    try store.close()
    throw CommandError(
      "the database has another store than when \(options.mountpoint) was mounted; bring that one back, or "
        + "unmount", .store)
  }
}
