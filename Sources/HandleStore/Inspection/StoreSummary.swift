/// What a store holds, and how much space it takes.
public struct StoreSummary: Hashable, Sendable {
  /// A group of nodes that have all of these properties in common.
  public struct Group: Hashable, Sendable {
    /// The filesystem that the nodes are on.
    public let filesystem: FilesystemID
    /// The type of their handles.
    public let handleType: HandleType
    /// Their state.
    public let state: NodeState
  }

  /// The number of nodes in each group that has any.
  public let counts: [Group: Int]
  /// The number of aliases: handles that nodes had before their files were copied up.
  public let aliases: Int
  /// The number of handles in the spill table: those of more than 24 bytes.
  public let spilled: Int
  /// The number of watches.
  public let watches: Int
  /// The number of nodes in limbo: stale and watched.
  public let limbo: Int
  /// The number of page levels of the table `nodes`.
  public let nodesDepth: Int
  /// The number of page levels of the index.
  public let inodesDepth: Int
  /// The size of a page in bytes.
  public let pageSize: Int
  /// The number of pages in use.
  public let usedPages: Int
  /// The number of free pages, which later commits use again.
  public let freePages: Int
  /// The largest number of reader slots in use at once, since a process last opened the store while
  /// no other had it open. A store has 1,000 slots.
  public let readers: Int

  /// The number of nodes.
  public var nodes: Int { counts.values.reduce(0, +) }
  /// The number of live nodes.
  public var live: Int { count { $0.state == .live } }
  /// The number of stale nodes.
  public var stale: Int { count { $0.state == .stale } }
  /// The bytes of used pages for each node; 0 if there are no nodes.
  public var bytesPerNode: Double {
    nodes == 0 ? 0 : Double(usedPages * pageSize) / Double(nodes)
  }

  private func count(_ belongs: (Group) -> Bool) -> Int {
    counts.reduce(0) { $0 + (belongs($1.key) ? $1.value : 0) }
  }
}
