internal import Glibc
public import HandleStore
public import SystemPackage

/// How a gateway uses a shared store.
public struct GatewayOptions: Sendable {
  /// For how long the gateway answers from memory after it last heard from the database. What
  /// another gateway changes is known here after this time at the latest, usually after a fifth of
  /// it. From 1 second to 1 hour.
  public var lease: Duration
  /// How long a call waits for a database that cannot be reached, before it fails. From 1 second to
  /// 1 hour.
  public var patience: Duration

  /// Makes options with the usual values.
  public init(lease: Duration = .seconds(10), patience: Duration = .seconds(30)) {
    (self.lease, self.patience) = (lease, patience)
  }

  func check() throws(StoreError) {
    let allowed = Duration.seconds(1)...Duration.seconds(3600)
    guard allowed.contains(lease), allowed.contains(patience) else {
      throw .badValue("the lease and the patience must be 1 second to 1 hour each")
    }
  }
}

extension Store {
  /// Opens a store that several processes, on several hosts, share: a PostgreSQL database has its
  /// nodes, exports and keys, and each process is one of its gateways (Docs/Gateways.md). Makes the
  /// store if the database has none.
  ///
  /// All gateways give a file the same node, and a node id that one of them has handed out is good
  /// at each of them. Every gateway must see the same filesystem, and its handles must be the same
  /// everywhere.
  ///
  /// - Parameters:
  ///   - connection: a connection string or URI of libpq, such as `host=db1,db2 dbname=nodes`.
  ///     Leave passwords to a service file or `PGPASSFILE`.
  ///   - cache: a directory in which to keep the nodes that memory has no room for, so that they are
  ///     found without the network, also by the next process if this one is killed; `nil` for none. It
  ///     is made if it does not exist, and must be this gateway's own. It leaves a tenth of its
  ///     filesystem free. What is in it can be removed at any time while no process uses it.
  ///   - gateway: the gateway's name, 1 to 64 bytes, such as the host's. A process that joins under
  ///     a name takes it over: the process that had it can no longer use the store, and its calls
  ///     throw ``StoreError/inUse(path:pid:)``.
  ///   - options: the size of the cache, the limit of limbo and the retention, which should be the
  ///     same at all gateways: while one of them keeps nodes forever, no live node is dropped. What
  ///     an acknowledged change survives is up to the database (`synchronous_commit`), so
  ///     ``StoreOptions/durability`` has no meaning here.
  ///   - gatewayOptions: how the gateway uses the store.
  /// - Throws: ``StoreError/badValue(_:)``, ``StoreError/unsupportedVersion(found:supported:)``,
  ///   ``StoreError/system(_:_:)`` with `EBUSY` if something uses the directory of the cache,
  ///   ``StoreError/diskFull(path:)`` if it cannot be made,
  ///   ``StoreError/system(_:_:)`` with `ETIMEDOUT` if the database cannot be reached,
  ///   ``StoreError/database(_:_:)`` if it refuses. Each later call that needs the database may
  ///   throw these two as well.
  /// - Complexity: some round trips to the database.
  public convenience init(
    shared connection: String, cache: FilePath? = nil, gateway: String,
    options: StoreOptions = StoreOptions(), gatewayOptions: GatewayOptions = GatewayOptions()
  ) throws(StoreError) {
    try gatewayOptions.check()
    guard (1...64).contains(gateway.utf8.count), !gateway.utf8.contains(0) else {
      throw .badValue("the name of a gateway must have 1 to 64 bytes, none of them 0")
    }
    guard !options.readOnly else {
      throw .badValue("a gateway opens a shared store for writing; without a name, it is only read")
    }
    try self.init(
      shared: connection, cache, gateway: gateway, options, gatewayOptions, isAsked: true)
  }

  /// - Parameter isAsked: whether the process hands out ids, so that the others must ask it before
  ///   they drop nodes.
  private convenience init(
    shared connection: String, _ cache: FilePath?, gateway: String, _ options: StoreOptions,
    _ gatewayOptions: GatewayOptions, isAsked: Bool
  ) throws(StoreError) {
    let index = try PostgresNodeIndex(
      connection, cache: cache, gateway: gateway, options, lease: gatewayOptions.lease,
      patience: gatewayOptions.patience, isAsked: isAsked)
    self.init(
      index, files: SharedFiles(index.database), number: index.number, options: options,
      counters: StatisticsCounters())
  }

  /// Opens a shared store for reading only. The process is no gateway: it has no name and no lease,
  /// and each node that it reads costs a round trip. It needs the right to read the tables and no
  /// other.
  ///
  /// - Parameters:
  ///   - connection: as for a gateway.
  ///   - patience: how long a call waits for a database that cannot be reached, before it fails.
  /// - Throws: ``StoreError/noStore(path:)`` if the database has none,
  ///   ``StoreError/unsupportedVersion(found:supported:)``, and ``StoreError/system(_:_:)`` as for
  ///   a gateway.
  /// - Complexity: some round trips to the database.
  public convenience init(
    shared connection: String, patience: Duration = .seconds(30)
  ) throws(StoreError) {
    try GatewayOptions(patience: patience).check()
    let index = try PostgresNodeIndex(reading: connection, patience: patience)
    self.init(
      index, files: SharedFiles(index.database), number: index.number,
      options: StoreOptions(readOnly: true), counters: StatisticsCounters())
  }

  /// Returns whether a connection string carries a password. A program that takes the string from
  /// its command line, which every user of the machine can read, should refuse one that does.
  ///
  /// - Parameter connection: as for a gateway. Service and password files are not looked at.
  /// - Throws: ``StoreError/badValue(_:)`` if libpq cannot read the string, or is not installed.
  /// - Complexity: O(bytes). libpq is loaded at the first call.
  public static func hasPassword(inShared connection: String) throws(StoreError) -> Bool {
    do {
      return try ConnectionString.hasPassword(connection)
    } catch .unreachable(let reason) {
      throw .badValue(reason)
    } catch {
      throw StoreError(ofPostgres: error)
    }
  }

  /// Joins for a short time, under a name that no other process has.
  package convenience init(joining connection: String) throws(StoreError) {
    let name = [
      "handlestore", String(SystemCalls.hostName.prefix(24)), String(getpid()),
      String(UInt32.random(in: 0...UInt32.max), radix: 36),
    ]
    try self.init(
      shared: connection, nil, gateway: name.joined(separator: "-"), StoreOptions(),
      GatewayOptions(), isAsked: false)
  }
}
