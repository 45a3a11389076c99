internal import SystemPackage

/// The pins of one client: for each node a count of the lookups that the client has not forgotten
/// yet, and of its opens. The store does not drop a node that has a count here.
///
/// The counts are in a file that the caller owns and that any process can map, so they outlive the
/// server, however it ends. After a kill they are an upper bound: the server may have counted an
/// answer that it never sent. Each client has a file of its own, so that a client can give back
/// only its own pins. Word N of the file, of eight bytes, is the count of node N. The file is
/// sparse: it takes 64 KiB for each block of 8,192 node ids in which a node was ever pinned.
/// ``Store/evict()`` gives back 4 KiB for each 512 ids that have no node any more, except in a store that
/// several processes share.
///
/// A FUSE server gets a memfd from the process that mounts: a new one for each mount, and the same
/// one again after the server restarts. A file on a disk must be on a filesystem that writes in
/// place (ext4, XFS); on any other, a full disk is a SIGBUS. A store that was a copy has node ids
/// up to 2⁶⁰ (Docs/Copies.md), and ext4, whose files end at 16 TiB, has no room for the pins of
/// such a store. No other process may change or shorten the file while it is in use.
///
/// ```swift
/// let pins = try store.pins(in: memfd)
/// let found = try store.register(file, on: filesystem, pinnedBy: pins)   // LOOKUP
/// if pins.unpin(found.node, count: 1) == 0 { try store.forget(found.node) }  // FORGET
/// ```
public final class Pins: Sendable {
  private let words: SparseWords

  init(in file: FileDescriptor) throws(Errno) { words = try SparseWords(of: file) }

  /// Returns the number of pins that a node has here; 0 also for an id that no node has.
  ///
  /// - Complexity: O(1), without a lock. Any thread.
  public func count(of node: NodeID) -> UInt64 { words[node.rawValue] }

  /// How many nodes are pinned here.
  ///
  /// - Complexity: O(1), without a lock. Any thread.
  public var nodeCount: Int { words.raisedCount }

  /// The pinned nodes, in no order.
  ///
  /// - Complexity: O(8,192) for each block of 8,192 node ids in which a node was ever pinned. Any
  ///   thread. A node that another thread pins or unpins meanwhile may be included or not.
  public var nodes: [NodeID] { words.indices.map(NodeID.init(rawValue:)) }

  /// Takes back pins of a node. The count stops at 0, whatever the client asks for. This does not
  /// drop the node; ``Store/forget(_:)`` does.
  ///
  /// - Returns: how many pins the node has left here.
  /// - Complexity: O(1), without a lock. Any thread.
  @discardableResult
  public func unpin(_ node: NodeID, count: UInt64 = 1) -> UInt64 {
    words.subtract(count, from: node.rawValue)
  }

  /// Takes back every pin, because the client is gone. The file keeps the space that it takes.
  ///
  /// - Complexity: O(8,192) for each block of 8,192 node ids in which a node was ever pinned. Any
  ///   thread. A pin that another thread adds meanwhile may survive or not.
  public func unpinAll() { words.clear() }

  /// Gives back the memory of ids for which `haveNoNode` holds: they have no node and get none.
  func giveBack(where haveNoNode: (Range<UInt64>) throws -> Bool) throws {
    try words.giveBack(where: haveNoNode)
  }

  func add(_ count: UInt64, to node: NodeID) throws(StoreError) {
    do throws(Errno) {
      try words.add(count, to: node.rawValue)
    } catch {
      throw StoreError(error, "enlarging a client's file of pins")
    }
  }
}
