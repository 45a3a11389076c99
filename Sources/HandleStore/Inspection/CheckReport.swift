/// The result of ``Store/check(at:findings:)``: what the store holds, and what is wrong with it.
public struct CheckReport: Hashable, Sendable {
  /// The number of nodes.
  public internal(set) var nodes = 0
  /// The number of live nodes.
  public internal(set) var live = 0
  /// The number of stale nodes.
  public internal(set) var stale = 0
  /// The number of aliases: handles that nodes had before their files were copied up.
  public internal(set) var aliases = 0
  /// The number of index entries: one for each live node or alias, and up to one more if its handle
  /// is opaque.
  public internal(set) var indexEntries = 0
  /// The number of handles in the spill table.
  public internal(set) var spilled = 0
  /// The number of filesystems.
  public internal(set) var filesystems = 0
  /// The number of watches.
  public internal(set) var watches = 0
  /// The number of nodes in limbo: stale and watched.
  public internal(set) var limbo = 0
  /// The number of pages of `data.mdb` in use, including the two meta pages.
  public internal(set) var pages = 0
  /// The number of pages in the free list.
  public internal(set) var freePages = 0
  /// The size of a page in bytes.
  var pageSize = 0
  /// The findings in the order in which the check found them, up to the limit.
  public internal(set) var findings: [Finding] = []
  /// The number of all findings, including those beyond the limit that ``findings`` leaves out.
  public internal(set) var findingCount = 0

  /// Whether the check found nothing wrong.
  public var isSound: Bool { findingCount == 0 }
}
