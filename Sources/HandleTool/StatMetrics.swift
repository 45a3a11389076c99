import Formatting
import HandleStore
import SystemPackage

extension StoreSummary {
  /// Returns the figures for a monitoring system. The label `store` is the directory's path.
  func metrics(_ format: Metrics.Format, of store: Store, at path: FilePath) throws -> [UInt8] {
    let directory = try openDirectory(path)
    let place = try directory.closeAfter { try DescriptorPath(of: directory).path }
    var metrics = Metrics(format, common: ["store": String(validating: place) ?? Text.path(place)])
    add(to: &metrics)
    let filesystems = store.knownFilesystems()
    metrics.gauge(
      "handlestore_filesystem_mounted",
      "Whether files of the filesystem can be opened here (1) or not (0).",
      filesystems.map { ($0.labels, $0.isAttached ? 1 : 0) })
    metrics.gauge(
      "handlestore_filesystem_put_back",
      "Whether the filesystem was put back to an earlier state (1) or not (0).",
      filesystems.map { ($0.labels, $0.wasPutBack ? 1 : 0) })
    return metrics.finished()
  }

  private func add(to metrics: inout Metrics) {
    metrics.gauge(
      "handlestore_nodes", "Nodes by filesystem, type of handle and state.",
      groups.map { ($0.labels, $0.count) })
    metrics.gauge("handlestore_aliases", "Former handles of nodes.", aliases)
    metrics.gauge(
      "handlestore_spilled_handles", "Handles that are too long for a node's record.", spilled)
    metrics.gauge("handlestore_watches", "Watches.", watches)
    metrics.gauge("handlestore_limbo_nodes", "Stale nodes that are still watched.", limbo)
    metrics.gauge("handlestore_readers", "Most reader slots in use at once.", readers)
    metrics.gauge("handlestore_used_bytes", "Pages in use.", usedPages * pageSize)
    metrics.gauge(
      "handlestore_free_bytes", "Free pages, which later writes use.", freePages * pageSize)
    metrics.gauge(
      "handlestore_tree_levels", "Page levels of a B+ tree.",
      [("nodes", nodesDepth), ("index", inodesDepth)].map { (["tree": $0] as Metrics.Labels, $1) })
  }
}

extension NodeGroup {
  fileprivate var labels: Metrics.Labels {
    [
      "filesystem": "\(group.filesystem)", "handle_type": group.handleType.description,
      "state": group.state.name,
    ]
  }
}

extension Filesystem {
  fileprivate var labels: Metrics.Labels {
    ["filesystem": "\(id)", "kind": identity.magic.description]
  }
}
