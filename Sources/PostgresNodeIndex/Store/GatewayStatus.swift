public import HandleStore

/// What a gateway knows of itself, without asking the database.
public struct GatewayStatus: Sendable {
  /// The gateway's name.
  public let name: String
  /// How long the lease still lasts; zero if it is over.
  public let leaseLeft: Duration
  /// How long ago the database last renewed the lease. It is asked five times in the length of a
  /// lease.
  public let silence: Duration
  /// Whether the database has not failed to renew the lease twice in a row.
  public let isHeard: Bool
  /// Whether the cache's directory can be used; `nil` if the gateway has none. If its files could not be
  /// made again after the disk was full or an error, the gateway does without until it empties the cache
  /// the next time.
  public let cacheIsUsable: Bool?
  /// Why the gateway cannot be used any more, such as ``StoreError/inUse(path:pid:)`` if another
  /// process has joined under its name; `nil` if it can.
  public let end: StoreError?
}

extension Store {
  /// What the gateway of a shared store knows of itself; `nil` if the store is not a shared one, or
  /// was opened for reading.
  ///
  /// - Complexity: O(1), without waiting. Any thread.
  public var gatewayStatus: GatewayStatus? { (index as? PostgresNodeIndex)?.gatewayStatus }
}

extension PostgresNodeIndex {
  fileprivate var gatewayStatus: GatewayStatus? {
    guard let gateway = try? writer else { return nil }
    let silence = gateway.lease.age
    return GatewayStatus(
      name: gateway.name, leaseLeft: gateway.lease.left, silence: silence,
      isHeard: silence < gateway.length * 2 / 5, cacheIsUsable: local?.directoryIsUsable,
      end: gateway.end)
  }
}
