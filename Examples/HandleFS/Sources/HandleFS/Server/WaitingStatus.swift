internal import Formatting
internal import HandleStore

/// What `handlefs status` prints of a server that waits for the database of its nodes.
struct WaitingStatus {
  private let options: MountOptions
  private let history: MountHistory
  private let reason: String

  init(_ options: MountOptions, _ history: MountHistory, reason: String) {
    (self.options, self.history, self.reason) = (options, history, reason)
  }

  func text(_ format: StatusFormat) -> [UInt8] {
    switch format {
    case .text: Array(lines.joined().utf8)
    case .json: json
    case .openmetrics: metrics(.openMetrics)
    case .prometheus: metrics(.prometheus)
    }
  }

  private var gateway: String { options.database.gateway ?? "" }

  private var lines: [String] {
    [
      ("mount point", options.mountpoint), ("mounted", Timestamp.text(history.mounted)),
      ("server", "process \(Processes.id), waits for the database"), ("gateway", gateway),
      ("database", reason),
    ].map { "\(Text.left($0, 22))\($1)\n" }
  }

  private var json: [UInt8] {
    var bytes: [UInt8] = []
    JSON.object([
      ("database", .string(reason)), ("gateway", .string(gateway)),
      ("lease_seconds", .fraction(0)), ("mounted", .string(Timestamp.text(history.mounted))),
      ("mountpoint", .string(options.mountpoint)), ("pid", .number(UInt64(Processes.id))),
    ]).append(to: &bytes)
    return bytes + Array("\n".utf8)
  }

  private func metrics(_ format: Metrics.Format) -> [UInt8] {
    var metrics = Metrics(format, common: ["mountpoint": options.mountpoint])
    metrics.gauge(
      "handlefs_mount_time_seconds", "When the filesystem was mounted, since 1970.",
      Double(history.mounted) / 1000)
    metrics.addGateway(isUp: false, lease: 0)
    return metrics.finished()
  }
}

extension Metrics {
  /// - Parameter lease: how many seconds the lease still lasts.
  mutating func addGateway(isUp: Bool, lease: Double) {
    gauge("handlefs_database_up", "Whether the database of the nodes answers.", isUp ? 1 : 0)
    gauge(
      "handlefs_gateway_lease_seconds", "For how long the server may answer from memory.", lease)
  }
}
