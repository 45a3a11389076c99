public import SystemPackage

/// The result of ``Store/repair(at:)``.
public struct RepairReport: Hashable, Sendable {
  /// The number of nodes in the repaired store.
  public let kept: Int
  /// The number of nodes that only the original has, because their records are not intact. If the
  /// original's own count is unreadable too, it includes only the nodes that are known.
  public let setAside: Int
  /// An upper bound on further lost nodes, if the original does not say how many nodes it had, or if
  /// its newest commit may be missing; otherwise 0.
  ///
  /// It counts the ids that the store may have handed out, less ``kept`` and ``setAside``. That
  /// includes the ids of nodes that were dropped long ago, and ids that a killed process had
  /// reserved.
  public let mayBeLost: Int
  /// The number of filesystems that live nodes were on and whose records are lost. These nodes are
  /// stale now.
  public let lostFilesystems: Int
  /// The number of filesystems whose lost records were recovered: they are mounted, and handles of
  /// their nodes open there.
  public let foundFilesystems: Int
  /// The number of kept nodes that were live and are stale now. The record of their filesystem is
  /// lost, or the index data that an opaque handle needs is lost, or a later node has their inode.
  public let retired: Int
  /// Whether the newest commit may be missing, because a meta page of the original was damaged. Then
  /// changes of the last calls may be undone: a node may be live again that was stale.
  public let mayLackNewestCommit: Bool
  /// The path of the original data, or `nil` if there were none.
  public let original: FilePath?
  /// The path of the original file `state` if the repair replaced it with a new one, otherwise
  /// `nil`.
  public let originalState: FilePath?

  /// Whether the repaired store has everything that the original had.
  public var isWithoutLoss: Bool {
    setAside == 0 && mayBeLost == 0 && retired == 0 && !mayLackNewestCommit
  }
}
