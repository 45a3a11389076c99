/// What ``Store/check(at:findings:)`` saw: what the store holds, and what is wrong with it.
public struct CheckReport: Hashable, Sendable {
  /// How many records there are, of live and of stale nodes and of aliases.
  public internal(set) var nodes = 0
  /// How many of them are live.
  public internal(set) var live = 0
  /// How many of them are stale.
  public internal(set) var stale = 0
  /// How many of them are aliases: handles that live nodes had before they were copied up.
  public internal(set) var aliases = 0
  /// How many entries the index has: one a live node or alias, two where its handle is opaque.
  public internal(set) var indexEntries = 0
  /// How many handles stand in the spill table.
  public internal(set) var spilled = 0
  /// How many filesystems there are.
  public internal(set) var filesystems = 0
  /// How many watches there are.
  public internal(set) var watches = 0
  /// How many nodes are in limbo: stale, and watched.
  public internal(set) var limbo = 0
  /// How many pages of `data.mdb` are used, the two meta pages among them.
  public internal(set) var pages = 0
  /// How many pages the free list holds.
  public internal(set) var freePages = 0
  /// The size of a page in bytes.
  public internal(set) var pageSize = 0
  /// What is wrong, as far as the limit allows, in the order in which it was found.
  public internal(set) var findings: [Finding] = []
  /// How much is wrong: more than ``findings`` has where the limit was reached.
  public internal(set) var findingCount = 0

  /// Whether nothing is wrong.
  public var isSound: Bool { findingCount == 0 }
}
