import HandleStore
internal import HandleLocks
import Synchronization

/// The files that are open for writing and that the kernel reads and writes by itself, and those that
/// were until a moment ago. Any thread.
///
/// A program may have mapped such a file into its memory. A store to that memory changes the file's
/// times and blocks on the backing filesystem at once, and no request tells of it. So the kernel must
/// not believe the attributes of these files for any time. It goes on asking after the file is closed,
/// until it is told something that it may believe.
final class WrittenFiles: Sendable {
  private let opens: OpenFiles
  private let nodes: Locked<Set<NodeID>>
  /// Nodes whose files were closed, and of whose attributes the kernel was not told since; 0 for none.
  /// A later node may take the place of an earlier one.
  private let closed = InlineArray<1024, Atomic<UInt64>> { _ in Atomic(0) }

  /// - Parameter opens: the files that are open. How an earlier server's clients opened them is not
  ///   known, so all of them count as open for writing.
  init(of opens: OpenFiles) {
    self.opens = opens
    nodes = Locked(Set(opens.nodes))
  }

  func contains(_ node: NodeID) -> Bool { nodes.withLock { $0.contains(node) } }

  /// Adds a file that is open.
  func insert(_ node: NodeID) { nodes.withLock { _ = $0.insert(node) } }

  /// Removes a file, unless it is still open. Returns whether it was removed.
  @discardableResult
  func removeIfClosed(_ node: NodeID) -> Bool {
    nodes.withLock {
      guard !opens.isOpen(node), $0.remove(node) != nil else { return false }
      closed[place(of: node)].store(node.rawValue, ordering: .sequentiallyConsistent)
      return true
    }
  }

  /// Takes note that the kernel will be told of a node's attributes. Call it before they are read.
  ///
  /// - Returns: whether the kernel must not believe them, because the file is open for writing.
  func isAboutToTell(_ node: NodeID) -> Bool {
    // First of all: the file may be closed meanwhile.
    if contains(node) { return true }
    let place = place(of: node)
    if closed[place].load(ordering: .sequentiallyConsistent) == node.rawValue {
      closed[place].store(0, ordering: .sequentiallyConsistent)
    }
    return false
  }

  /// Whether the kernel will ask before it says anything of a file's attributes.
  func kernelAsks(for node: NodeID) -> Bool {
    closed[place(of: node)].load(ordering: .sequentiallyConsistent) == node.rawValue
      || contains(node)
  }

  private func place(of node: NodeID) -> Int { Int(node.rawValue & 1023) }
}
