internal import HandleStore
internal import Logging
internal import Synchronization
internal import SystemPackage

/// Drops the nodes of files that were removed through the mount and that the kernel has forgotten: else
/// the store would grow with every file that ever was. It is done for many at a time, because finding
/// them goes through all nodes. What a killed server had not come to stays in the store until
/// `handlestore verify --retire` and `prune`.
final class Housekeeping: Sendable {
  /// How many make it worth while at once; fewer wait for an hour.
  private static let many = 10_000
  private static let hour = 3600

  private let store: Store
  private let log: Logger
  private let state = Mutex(State())

  private struct State {
    /// What has no name any more, and the kernel may know.
    var nameless: Set<NodeID> = []
    /// What it has forgotten.
    var gone: [NodeID] = []
  }

  init(_ store: Store, log: Logger) {
    self.store = store
    self.log = log
  }

  /// A node's file has no name any more, and is gone when the kernel forgets it.
  func losesName(_ node: NodeID) { state.withLock { _ = $0.nameless.insert(node) } }

  /// What has no name any more, and the kernel may know.
  var nameless: [NodeID] { state.withLock { Array($0.nameless) } }

  /// It has been given one.
  func hasName(_ node: NodeID) { state.withLock { _ = $0.nameless.remove(node) } }

  /// The kernel has forgotten a node.
  func isForgotten(_ node: NodeID) {
    state.withLock { state in
      if state.nameless.remove(node) != nil { state.gone.append(node) }
    }
  }

  /// Goes on for ever.
  func run() {
    var seconds = 0
    while true {
      Processes.sleep(milliseconds: 10_000)
      seconds += 10
      let count = state.withLock { $0.gone.count }
      guard count >= Self.many || (count > 0 && seconds >= Self.hour) else { continue }
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
      for node in nodes { _ = try? store.retire(node) }
      let dropped = try store.prune(.seconds(0))
      log.info("dropped nodes of files that are gone", metadata: ["count": "\(dropped)"])
    } catch {
      log.error("dropping nodes of files that are gone", metadata: ["error": "\(error)"])
    }
  }
}
