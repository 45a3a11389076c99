internal import Formatting
internal import HandleStore
internal import PostgresNodeIndex

/// The server's figures for a monitoring system. Docs/HandleFS.md lists them.
extension Server {
  func metrics(_ format: Metrics.Format) -> [UInt8] {
    var metrics = Metrics(format, common: ["mountpoint": options.mountpoint])
    addLife(to: &metrics)
    addRequests(to: &metrics)
    addFiles(to: &metrics)
    if let gateway = store.gatewayStatus {
      metrics.addGateway(
        isUp: gateway.isHeard && gateway.end == nil, lease: gateway.leaseLeft / .seconds(1))
    }
    if let cacheIsUsable {
      metrics.gauge(
        "handlefs_cache_usable", "Whether the directory of the cache can be used.",
        cacheIsUsable ? 1 : 0)
    }
    let known = store.statistics
    known.addCounters(to: &metrics)
    known.addHistograms(to: &metrics)
    return metrics.finished()
  }

  private func addLife(to metrics: inout Metrics) {
    metrics.gauge(
      "handlefs_mount_time_seconds", "When the filesystem was mounted, since 1970.",
      Double(history.mounted) / 1000)
    metrics.gauge(
      "handlefs_start_time_seconds", "When the server started, since 1970.",
      Double(started) / 1000)
    metrics.gauge(
      "handlefs_mounts", "Mounts that the server serves, all with one store.", neighbours.count)
    metrics.counter(
      "handlefs_restarts", "Servers that were replaced, since the filesystem was mounted.",
      MountHistory.Reason.allCases.map { (["reason": $0.rawValue], history.restarts($0)) })
  }

  private func addRequests(to metrics: inout Metrics) {
    metrics.histogram(
      "handlefs_request_duration_seconds", "How long requests of the kernel took.",
      powers: Metrics.times, scale: 1e9,
      statistics.operations.map { (["operation": $0], $1.distribution) })
    metrics.counter(
      "handlefs_request_errors", "Requests that were answered with an error.",
      statistics[.errors])
    metrics.counter(
      "handlefs_resent_requests", "Requests that a killed server had already read.",
      statistics[.resent])
    metrics.counter(
      "handlefs_found_done_requests", "Resent requests that had already been carried out.",
      statistics[.foundDone])
    metrics.counter(
      "handlefs_changes_behind",
      "Changes behind the mount's back of which the kernel was told.", statistics[.changesBehind])
    metrics.gauge("handlefs_noted_requests", "Requests in the journal.", journal.count)
  }

  private func addFiles(to metrics: inout Metrics) {
    metrics.gauge("handlefs_kernel_nodes", "Files that the kernel knows.", lookups.nodeCount)
    metrics.counter(
      "handlefs_asked_back_nodes", "Files that the kernel was asked to forget.",
      bound?.askedCount ?? 0)
    metrics.gauge("handlefs_cached_descriptors", "Descriptors in the cache.", files.count)
    metrics.gauge("handlefs_opens", "Opens of files by programs.", openFiles.count)
    metrics.gauge(
      "handlefs_files_kept_by_kernel", "Files that the kernel reads and writes itself.",
      openFiles.keptCount)
    metrics.gauge(
      "handlefs_files_without_name", "Files without a name that the server keeps open.",
      orphans.count)
    metrics.gauge(
      "handlefs_files_kept_open", "Files that are kept open for lack of handles.", kept?.count ?? 0)
  }
}

extension Metrics {
  /// Buckets for times from a microsecond to nine seconds.
  fileprivate static var times: ClosedRange<Int> { 9...32 }
  /// Buckets for amounts from 1 to 65,535.
  fileprivate static var amounts: ClosedRange<Int> { 0...15 }
}

extension Statistics {
  fileprivate func addCounters(to metrics: inout Metrics) {
    metrics.counter(
      "handlestore_registrations", "Files that were registered.",
      [("created", created), ("existing", existing), ("replaced", replaced)].map {
        (["outcome": $0] as Metrics.Labels, $1)
      })
    metrics.counter(
      "handlestore_retired_nodes", "Nodes that became stale.", retired)
    metrics.counter("handlestore_dropped_nodes", "Nodes that were dropped.", dropped)
    metrics.counter("handlestore_node_reads", "Nodes read by their ids.", gets)
    metrics.counter(
      "handlestore_node_cache_hits", "Nodes read by their ids that the cache had.", cacheHits)
    metrics.counter("handlestore_opened_files", "Files opened by their handles.", opened)
    metrics.counter(
      "handlestore_compared_handles", "Handles made again after an open, and compared.", compared)
    metrics.counter("handlestore_admitted_tokens", "What passed the gate of an export.", admitted)
    metrics.counter(
      "handlestore_refused_tokens", "What the gate refused, by the check that refused it.",
      GateRefusal.allCases.map { (["check": $0.name], gateRefusals[$0] ?? 0) })
    let failed = errors.sorted { $0.key.rawValue < $1.key.rawValue }
    metrics.counter(
      "handlestore_errors", "Calls that failed, by their error.",
      failed.map { (["error": "\($0.key)"] as Metrics.Labels, $0.value) })
  }

  fileprivate func addHistograms(to metrics: inout Metrics) {
    metrics.histogram(
      "handlestore_write_changes", "Changes that were written together.",
      powers: Metrics.amounts, scale: 1, [(Metrics.none, writeSizes.distribution)])
    for (name, help, times) in [
      ("write", "How long writes took.", writeTimes),
      ("register", "How long registering calls took.", registerTimes),
      ("open", "How long opening a node's file took.", openTimes),
      ("gate", "How long the gate took for what passed it.", gateTimes),
    ] {
      metrics.histogram(
        "handlestore_\(name)_duration_seconds", help, powers: Metrics.times, scale: 1e9,
        [(Metrics.none, times.distribution)])
    }
  }
}

extension Statistics.Histogram {
  fileprivate var distribution: Metrics.Distribution {
    Metrics.Distribution(buckets: buckets, sum: sum)
  }
}
