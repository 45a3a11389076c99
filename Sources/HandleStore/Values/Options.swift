/// What an acknowledged change survives.
public enum Durability: String, Sendable, CaseIterable {
  /// A `kill -9` of the process at any instruction. A power cut may lose the newest changes or tear
  /// the store; the next open notices that, and never serves torn data.
  case process
  /// A power cut too. Each write, which may carry several changes, is flushed to the disk.
  case power
}

/// When the store may drop a node that nobody holds, live or stale. A pin (``Pins``) or a watch
/// holds a node, and an open export holds its root.
public enum Retention: Hashable, Sendable {
  /// Never. A stale node stays for good, too, and answers that its file is gone.
  case forever
  /// This many seconds after the node entered its state.
  case seconds(UInt32)
  /// While the store has more nodes than this; a number below 0 counts as 0.
  case nodes(Int)
}

/// How a store is opened.
public struct StoreOptions: Sendable {
  /// What an acknowledged change survives.
  public var durability: Durability
  /// How many nodes to keep in memory, at 66 bytes each. The number is rounded up to a power of
  /// two, at most 16,777,216; 0 or less for none. A store opened for reading only has no cache,
  /// because another process may change what it holds. A process without addresses for it
  /// (`RLIMIT_AS`) has none either.
  public var cacheSize: Int
  /// Whether to open the store for reading only, while another process may write to it.
  public var readOnly: Bool
  /// When ``Store/forget(_:)`` and ``Store/evict()`` may drop a node.
  public var retention: Retention
  /// How many deleted nodes to keep for the clients that watch them; 0 or less for none. If there
  /// are more, the first ones lose their watches, and ``Store/deletions(atMost:)`` reports it.
  public var limboLimit: Int

  /// Makes options with the usual values.
  public init(
    durability: Durability = .process, cacheSize: Int = 65_536, readOnly: Bool = false,
    retention: Retention = .forever, limboLimit: Int = 16_384
  ) {
    self.durability = durability
    self.cacheSize = cacheSize
    self.readOnly = readOnly
    self.retention = retention
    self.limboLimit = limboLimit
  }
}
