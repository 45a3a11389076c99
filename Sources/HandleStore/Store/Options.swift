/// What an acknowledged change survives.
public enum Durability: String, Sendable, CaseIterable {
  /// `kill -9` of the process at any instruction. A power cut may lose the newest changes or tear
  /// the store; that is noticed at the next open, and nothing torn is served.
  case process
  /// A power cut too: each (group) commit is flushed to the disk.
  case power
}

/// When a node that nobody holds may be dropped from the store, live or stale. A node is held by a pin
/// (``Pins``), by a watch, and as the root of an export that is open.
public enum Retention: Hashable, Sendable {
  /// Never. A stale node stays for good, too: it answers that its file is gone.
  case forever
  /// This many seconds after it entered its state.
  case seconds(UInt32)
  /// While there are more than this; less than 0 is 0.
  case nodes(Int)
}

/// How a store is opened.
public struct StoreOptions: Sendable {
  /// What an acknowledged change survives.
  public var durability: Durability
  /// How many nodes are kept in memory, 64 bytes each and rounded up to a power of two, 16,777,216 at
  /// the most; 0 or less for none. A store opened for reading only
  /// has no cache, for another process may change what it holds.
  public var cacheSize: Int
  /// Whether to read only, beside a process that may write.
  public var readOnly: Bool
  /// When ``Store/forget(_:)`` and ``Store/evict()`` may drop a node.
  public var retention: Retention
  /// How many deleted nodes are kept for those who watch them, 0 or less for none; of more, the first lose their watches, and
  /// ``Store/deletions(atMost:)`` tells.
  public var limboLimit: Int

  /// Options with the usual values.
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
