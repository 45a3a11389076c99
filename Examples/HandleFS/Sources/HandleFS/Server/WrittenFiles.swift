internal import HandleStore
internal import Synchronization

/// The files that are open for writing and that the kernel reads and writes by itself. Any thread.
///
/// A program may have mapped such a file into its memory. A store to that memory changes the file's
/// times and blocks on the backing filesystem at once, and no request tells of it. So the kernel must
/// not believe the attributes of these files for any time.
final class WrittenFiles: Sendable {
  private let opens: OpenFiles
  private let nodes: Mutex<Set<NodeID>>

  /// - Parameter opens: the files that are open. How an earlier server's clients opened them is not
  ///   known, so all of them count as open for writing.
  init(of opens: OpenFiles) {
    self.opens = opens
    nodes = Mutex(Set(opens.nodes))
  }

  func contains(_ node: NodeID) -> Bool { nodes.withLock { $0.contains(node) } }

  /// Adds a file that is open.
  func insert(_ node: NodeID) { nodes.withLock { _ = $0.insert(node) } }

  /// Removes a file, unless it is still open.
  func removeIfClosed(_ node: NodeID) {
    nodes.withLock { if !opens.isOpen(node) { $0.remove(node) } }
  }
}
