internal import SystemPackage

/// What one client holds of each node: how many lookups that it has not forgotten, and how many opens.
/// As long as a node has a count here, the store does not drop it.
///
/// The counts stand in a file that the caller owns and any process can map: they outlive the server, by
/// whatever end it comes to. After a kill they are an upper bound, for an answer may have been counted
/// that never went out. Each client has a file of its own, so that what one gives back frees nothing
/// that another holds. Word N of the file, of eight bytes, is the count of node N; the file is sparse,
/// and takes 64 KiB for each 8,192 node ids of which one was ever pinned.
///
/// A FUSE server gets a memfd from whoever mounts: it is new for a new mount, and stays when the server
/// is started again. On a disk, the file has to be on a filesystem that writes in place (ext4, XFS),
/// as on another one a full disk is a SIGBUS; and because a store that was a copy has ids up to 2⁶⁰
/// (Docs/Copies.md), ext4, whose files end at 16 TiB, has no room for the pins of such a store. Nobody else may change the file or make it shorter while
/// it is used.
///
/// ```swift
/// let pins = try store.pins(in: memfd)
/// let found = try store.register(file, on: filesystem, pinnedBy: pins)   // LOOKUP
/// if pins.unpin(found.node, count: 1) == 0 { try store.forget(found.node) }  // FORGET
/// ```
public final class Pins: Sendable {
  private let words: SparseWords

  init(in file: FileDescriptor) throws(Errno) { words = try SparseWords(of: file) }

  /// How often a node is pinned; 0 also for a number that no node has.
  ///
  /// - Complexity: O(1), without a lock. Any thread.
  public func count(of node: NodeID) -> UInt64 { words[node.rawValue] }

  /// The nodes that are pinned, in no order.
  ///
  /// - Complexity: O(pinned node ids, by 8,192). Any thread; what is pinned meanwhile may be there or not.
  public var nodes: [NodeID] { words.indices.map(NodeID.init(rawValue:)) }

  /// Takes back pins of a node, as many as there are: a count goes no lower than 0, whatever the client
  /// asks for. It does not drop the node; that is for ``Store/forget(_:)``.
  ///
  /// - Returns: how many pins the node has left here.
  /// - Complexity: O(1), without a lock. Any thread.
  @discardableResult
  public func unpin(_ node: NodeID, count: UInt64 = 1) -> UInt64 {
    words.subtract(count, from: node.rawValue)
  }

  /// Takes back every pin: the client is gone. What it took of the file stays with that.
  ///
  /// - Complexity: O(pinned node ids, by 8,192). Any thread; what is pinned meanwhile may be kept or not.
  public func unpinAll() { words.clear() }

  func add(_ count: UInt64, to node: NodeID) throws(StoreError) {
    do throws(Errno) {
      try words.add(count, to: node.rawValue)
    } catch {
      throw StoreError(error, "making room for the pins of a client")
    }
  }
}
