/// What a store holds and what that takes.
public struct StoreSummary: Hashable, Sendable {
  /// Nodes that have all of this in common.
  public struct Group: Hashable, Sendable {
    /// The filesystem that the nodes are on.
    public let filesystem: FilesystemID
    /// The type of their handles.
    public let handleType: HandleType
    /// Their state.
    public let state: NodeState
  }

  /// How many nodes there are of each kind that there is.
  public let counts: [Group: Int]
  /// How many handles stand in the spill table: those of more than 24 bytes.
  public let spilled: Int
  /// How many watches there are.
  public let watches: Int
  /// How many nodes are in limbo: stale, and watched.
  public let limbo: Int
  /// How many levels of pages the table of the nodes has.
  public let nodesDepth: Int
  /// How many levels of pages the index has.
  public let inodesDepth: Int
  /// The size of a page in bytes.
  public let pageSize: Int
  /// How many pages are in use.
  public let usedPages: Int
  /// How many pages are free, to be used again.
  public let freePages: Int
  /// How many reader slots have been in use at once since the first of the processes that have the
  /// store open now opened it; there are 1,000.
  public let readers: Int

  /// How many nodes there are.
  public var nodes: Int { counts.values.reduce(0, +) }
  /// How many nodes are live.
  public var live: Int { count { $0.state == .live } }
  /// How many nodes are stale.
  public var stale: Int { count { $0.state == .stale } }
  /// How many are aliases: handles that nodes had before they were copied up.
  public var aliases: Int { count { $0.state == .alias } }
  /// How many bytes of used pages there are for each node; 0 where there are none.
  public var bytesPerNode: Double {
    nodes == 0 ? 0 : Double(usedPages * pageSize) / Double(nodes)
  }

  private func count(_ belongs: (Group) -> Bool) -> Int {
    counts.reduce(0) { $0 + (belongs($1.key) ? $1.value : 0) }
  }
}
