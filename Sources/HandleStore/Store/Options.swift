/// What an acknowledged change survives.
public enum Durability: String, Sendable, CaseIterable {
  /// `kill -9` of the process at any instruction. A power cut may lose the newest changes or tear
  /// the store; that is noticed at the next open, and nothing torn is served.
  case process
  /// A power cut too: each (group) commit is flushed to the disk.
  case power
}

/// When a node that nobody needs may be dropped from the store.
public enum Retention: Hashable, Sendable {
  /// Never.
  case forever
  /// This many seconds after it entered its state.
  case seconds(UInt32)
  /// While there are more than this: ``Store/prune(_:)`` counts the stale nodes and drops those with the
  /// lowest ids, ``Store/forget(_:)`` counts all nodes and drops the one that is named.
  case nodes(Int)
}

/// How a store is opened.
public struct StoreOptions: Sendable {
  /// What an acknowledged change survives.
  public var durability: Durability
  /// How many nodes are kept in memory, 64 bytes each and rounded up to a power of two;
  /// 0 for none. A store opened for reading only
  /// has no cache, for another process may change what it holds.
  public var cacheSize: Int
  /// Whether to read only, beside a process that may write.
  public var readOnly: Bool
  /// When ``Store/forget(_:)`` may drop a node.
  public var retention: Retention

  /// Options with the usual values.
  public init(
    durability: Durability = .process, cacheSize: Int = 65_536, readOnly: Bool = false,
    retention: Retention = .forever
  ) {
    self.durability = durability
    self.cacheSize = cacheSize
    self.readOnly = readOnly
    self.retention = retention
  }
}
