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
  private let gone = Mutex<[NodeID]>([])

  init(_ store: Store, log: Logger) {
    self.store = store
    self.log = log
  }

  /// A node's file is gone.
  func add(_ node: NodeID) { gone.withLock { $0.append(node) } }

  /// Goes on for ever.
  func run() {
    var seconds = 0
    while true {
      Processes.sleep(seconds: 10)
      seconds += 10
      let count = gone.withLock { $0.count }
      guard count >= Self.many || (count > 0 && seconds >= Self.hour) else { continue }
      seconds = 0
      drop()
    }
  }

  private func drop() {
    let nodes = gone.withLock { gone in
      defer { gone = [] }
      return gone
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
