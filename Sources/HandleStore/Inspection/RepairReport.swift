public import SystemPackage

/// What ``Store/repair(at:)`` did.
public struct RepairReport: Hashable, Sendable {
  /// How many nodes the repaired store has.
  public let kept: Int
  /// How many nodes are in the original only, because their records are not intact. Where the
  /// original's own count is not readable either, as many as are known.
  public let setAside: Int
  /// How many nodes may be lost besides, where the original does not say how many it had: the ids that
  /// `state` may have handed out and that no node of the repaired store has. Those of nodes that were
  /// dropped long ago are among them, and those that a process that was killed had reserved.
  public let mayBeLost: Int
  /// How many filesystems have nodes and no record any more. These nodes are stale, if they were not
  /// before.
  public let lostFilesystems: Int
  /// How many filesystems whose records were lost were found again: they are mounted, and the handles of
  /// their nodes open there.
  public let foundFilesystems: Int
  /// How many of the nodes that were kept are stale now and were live: their filesystem's record is
  /// lost, or what the index must know of them, or a later node has their inode.
  public let retired: Int
  /// Where the original data are, or `nil` where there were none.
  public let original: FilePath?
  /// Where the original file `state` is, where it had to be made anew.
  public let originalState: FilePath?

  /// Whether all that the original had is in the repaired store.
  public var isWithoutLoss: Bool { setAside == 0 && mayBeLost == 0 && retired == 0 }
}
