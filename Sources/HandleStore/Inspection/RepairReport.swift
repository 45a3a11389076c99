public import SystemPackage

/// What ``Store/repair(at:)`` did.
public struct RepairReport: Hashable, Sendable {
  /// How many nodes the repaired store has.
  public let kept: Int
  /// How many nodes are in the original only, because their records are not intact. Where the
  /// original's own count is not readable either, as many as are known.
  public let setAside: Int
  /// How many of the nodes that were kept are stale now and were live: their filesystem's record is
  /// lost, or what the index must know of them, or a later node has their inode.
  public let retired: Int
  /// Where the original data are, or `nil` where there were none.
  public let original: FilePath?
  /// Where the original file `state` is, where it had to be made anew.
  public let originalState: FilePath?
}
