/// A client that watches nodes: a number that the server assigns to the client and keeps over
/// restarts.
public struct WatcherID: RawRepresentable, Hashable, Comparable, Sendable {
  /// The number.
  public let rawValue: UInt64

  /// Creates the id that has a number.
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// Orders ids by number.
  public static func < (a: WatcherID, b: WatcherID) -> Bool { a.rawValue < b.rawValue }
}

/// The events to watch for, with the bits of `inotify(7)`. Bits without a name here are kept too.
public struct WatchMask: OptionSet, Hashable, Sendable {
  /// The bits.
  public let rawValue: UInt32

  /// Creates a mask from its bits.
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// The events of `inotify(7)` that an event of `fanotify(7)` stands for.
  public init(_ event: FilesystemEvent) { self.init(rawValue: UInt32(event.mask & 0xfff)) }

  /// `IN_ACCESS`
  public static let access = WatchMask(rawValue: 0x1)
  /// `IN_MODIFY`
  public static let modify = WatchMask(rawValue: 0x2)
  /// `IN_ATTRIB`
  public static let attrib = WatchMask(rawValue: 0x4)
  /// `IN_CLOSE_WRITE`
  public static let closeWrite = WatchMask(rawValue: 0x8)
  /// `IN_CLOSE_NOWRITE`
  public static let closeNoWrite = WatchMask(rawValue: 0x10)
  /// `IN_OPEN`
  public static let open = WatchMask(rawValue: 0x20)
  /// `IN_MOVED_FROM`
  public static let movedFrom = WatchMask(rawValue: 0x40)
  /// `IN_MOVED_TO`
  public static let movedTo = WatchMask(rawValue: 0x80)
  /// `IN_CREATE`
  public static let create = WatchMask(rawValue: 0x100)
  /// `IN_DELETE`
  public static let delete = WatchMask(rawValue: 0x200)
  /// `IN_DELETE_SELF`
  public static let deleteSelf = WatchMask(rawValue: 0x400)
  /// `IN_MOVE_SELF`
  public static let moveSelf = WatchMask(rawValue: 0x800)
}

/// One watcher's watch of one node.
public struct Watch: Hashable, Sendable {
  /// The watched node.
  public let node: NodeID
  /// The client that watches.
  public let watcher: WatcherID
  /// The events that it watches for.
  public let mask: WatchMask

  package init(node: NodeID, watcher: WatcherID, mask: WatchMask) {
    (self.node, self.watcher, self.mask) = (node, watcher, mask)
  }
}

/// A watched node.
public struct WatchedNode: Hashable, Sendable {
  /// The node.
  public let id: NodeID
  /// The union of its watchers' masks.
  public let mask: WatchMask

  package init(id: NodeID, mask: WatchMask) { (self.id, self.mask) = (id, mask) }
}

/// Some of the watched nodes, in the order of their ids.
public struct WatchedNodePage: Hashable, Sendable {
  /// The nodes.
  public let nodes: [WatchedNode]
  /// The id at which to continue; `nil` at the end.
  public let next: NodeID?

  package init(nodes: [WatchedNode], next: NodeID?) { (self.nodes, self.next) = (nodes, next) }
}

/// Watched nodes whose files are deleted, to be reported to their watchers.
public struct Deletions: Hashable, Sendable {
  /// The nodes. They stay in limbo until their watches end (``Store/unwatch(_:by:)``).
  public let nodes: [NodeID]
  /// Whether limbo held more nodes than ``StoreOptions/limboLimit``, so that the first of them lost
  /// their watches. Watchers may have missed deletions and must look for themselves.
  public let overflowed: Bool

  package init(nodes: [NodeID], overflowed: Bool) {
    (self.nodes, self.overflowed) = (nodes, overflowed)
  }

  /// Whether there is nothing to report.
  public var isEmpty: Bool { nodes.isEmpty && !overflowed }
}

/// A node in limbo: it is stale and still watched.
public struct LimboNode: Hashable, Sendable {
  /// The node.
  public let id: NodeID
  /// Whether ``Store/deletions(atMost:)`` has returned it.
  public let isReported: Bool

  package init(id: NodeID, isReported: Bool) { (self.id, self.isReported) = (id, isReported) }
}
