internal import HandleStore
internal import HandleLocks
internal import SystemPackage

/// The files that the kernel has been told to have a set-user-id or set-group-id bit, since it has known
/// them. Any thread.
///
/// A write clears such a bit without the kernel noticing. So the kernel may not believe the attributes of
/// these files for any time: it asks for them on each use, also when a bit is gone, until it has forgotten
/// the file.
///
/// And it is not told that they have changed. It needs no such news, and the news would do harm: if it
/// comes while the kernel asks for the attributes, the kernel ignores the reply and goes on with those
/// that it had. It would execute a file with a bit that a write has cleared.
///
/// So a file is added before the kernel hears of its bit. From then on no reply lets the kernel believe
/// the file's attributes. What it believes from before ends when it is told of a change for the last time,
/// which does no harm: it does not know of a bit yet. The memory outlives the server, because a new
/// server tells the kernel that all files have changed, while the kernel sends its requests again.
final class SetIDFiles: Sendable {
  /// 1 for a file of which the kernel may still believe something, 2 for one of which it does not.
  private let nodes: Pins
  private let store: Store
  private let lookups: Pins
  private let notifier: Notifier
  /// Held while a file is added, so that no thread counts as done what another has only begun.
  private let order = Locked(())

  /// - Parameters:
  ///   - file: memory that outlives the server.
  ///   - lookups: how often the kernel has looked up each node.
  init(
    in file: FileDescriptor, of store: Store, lookups: Pins, notifier: Notifier
  ) throws(StoreError) {
    nodes = try store.pins(in: file)
    (self.store, self.lookups, self.notifier) = (store, lookups, notifier)
    for node in nodes.nodes where lookups.count(of: node) == 0 { remove(node) }
  }

  deinit { store.remove(nodes) }

  func removeAll() { nodes.unpinAll() }

  /// Whether the kernel may not believe a node's attributes for any time.
  func contains(_ node: NodeID) -> Bool { nodes.count(of: node) > 0 }

  /// Whether the kernel believes nothing of a node's attributes, and so asks before it uses them.
  func kernelAsks(for node: NodeID) -> Bool { nodes.count(of: node) > 1 }

  /// Adds a node whose file has such a bit. Call it before the kernel hears of the bit, and, if the kernel
  /// may not know the node, before it is pinned for the reply.
  func add(_ node: NodeID) throws {
    guard !kernelAsks(for: node) else { return }
    try order.withLock { _ in
      guard !kernelAsks(for: node) else { return }
      if !contains(node) { _ = try store.pin(node, by: nodes) }
      // A reply from before that makes the node known may be on its way. Then it is added on its next use.
      guard notifier.invalidate(node.rawValue) || lookups.count(of: node) == 0 else { return }
      _ = try store.pin(node, by: nodes)
    }
  }

  /// Removes a node that the kernel has forgotten.
  func remove(_ node: NodeID) { nodes.unpin(node, count: .max) }
}
