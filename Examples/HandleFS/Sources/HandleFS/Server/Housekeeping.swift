internal import HandleStore
internal import HandleLocks
internal import Logging
internal import SystemPackage

/// Drops the nodes of files that were removed through the mount and that the kernel has forgotten.
/// Otherwise the store would grow with every file that ever existed. It drops many nodes at a time,
/// because it has to go through all nodes to find them. If a server is killed, the nodes that it did
/// not drop stay in the store until `handlestore verify --retire` and `handlestore prune` are run.
final class Housekeeping: Sendable {
  /// If this many nodes wait, they are dropped within seconds; fewer wait for up to an hour.
  private static let many = 10_000
  private static let hour = 3600

  private let store: Store
  private let neighbours: Neighbours
  private let isShared: Bool
  private let log: Logger
  private let state = Locked(State())

  private struct State {
    /// The nodes whose files have no name left, and that the kernel may still know.
    var nameless: Set<NodeID> = []
    /// Nodes without a name that the kernel has forgotten.
    var gone: [NodeID] = []
  }

  /// - Parameter isShared: whether other gateways use the store.
  init(_ store: Store, among neighbours: Neighbours, isShared: Bool, log: Logger) {
    (self.store, self.neighbours, self.isShared, self.log) = (store, neighbours, isShared, log)
  }

  /// Takes note that a node's file has lost its last name. The node can go when the kernel forgets
  /// it.
  func losesName(_ node: NodeID) { state.withLock { _ = $0.nameless.insert(node) } }

  /// The nodes whose files have no name left, and that the kernel may still know.
  var nameless: [NodeID] { state.withLock { Array($0.nameless) } }

  func isNameless(_ node: NodeID) -> Bool { state.withLock { $0.nameless.contains(node) } }

  /// Takes note that a node's file has a name again.
  func noteName(of node: NodeID) { state.withLock { _ = $0.nameless.remove(node) } }

  /// Takes note that the kernel has forgotten a node.
  func noteForgotten(_ node: NodeID) {
    state.withLock { state in
      if state.nameless.remove(node) != nil { state.gone.append(node) }
    }
  }

  /// Drops nodes in the background; never returns.
  func run() {
    var seconds = 0
    while true {
      Processes.sleep(milliseconds: 10_000)
      seconds += 10
      let count = state.withLock { $0.gone.count }
      guard count >= Self.many || (count > 0 && seconds >= Self.hour), neighbours.areComplete
      else { continue }
      seconds = 0
      drop()
    }
  }

  private func drop() {
    let nodes = state.withLock { state in
      defer { state.gone = [] }
      return state.gone
    }
    do {
      // Another mount may still have such a file open.
      for node in nodes where !neighbours.isKnown(node) { retire(node) }
      let dropped = try store.evict(stale: .seconds(0))
      log.info(
        "dropped the nodes of files that are gone", metadata: ["count": .stringConvertible(dropped)]
      )
    } catch {
      log.error("dropping the nodes of files that are gone failed", metadata: ["error": "\(error)"])
    }
  }

  /// Makes the node of a file that has no name any more stale, unless another gateway has the file open.
  private func retire(_ node: NodeID) {
    guard isShared else {
      _ = try? store.retire(node)
      return
    }
    // If the file is gone, the store finds that out.
    if let file = try? store.open(node, as: .path) {
      try? file.close()
      state.withLock { $0.gone.append(node) }
    }
  }
}
