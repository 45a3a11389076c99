internal import HandleStore

extension Watchers {
  /// Tells of watched files whose deletion was reported to another gateway: the store reports each deletion
  /// once. Looks again and again; never returns.
  func followGateways() {
    while true {
      Processes.sleep(milliseconds: 1000)
      for (watcher, nodes) in watched {
        for node in nodes where isGone(node) { tellOfGone(node, to: watcher) }
      }
    }
  }

  private func isGone(_ node: NodeID) -> Bool {
    do {
      return try store.node(node)?.state != .live
    } catch {
      return false
    }
  }
}
