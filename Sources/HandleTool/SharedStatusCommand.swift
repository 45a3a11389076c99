import ArgumentParser
import Formatting
import HandleStore
import PostgresNodeIndex

struct SharedStatusCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status",
    abstract: "Show the gateways of a shared store, its counts and its database.",
    discussion: """
      Prints the number of nodes, aliases, watches and nodes in limbo; how many changes wait until \
      each gateway has heard of them; the server's version, its synchronous_commit and its standbys, if \
      the role may see them (pg_monitor). Then it prints each gateway with its epoch and the seconds \
      that its lease still lasts, and whether its clients may hold nodes (pins). A gateway whose lease is \
      over answers nothing from memory and changes nothing; if it has pins, no gateway drops nodes until \
      it is back or removed ('shared remove'). The command needs the right to read the tables, and no other.

        handlestore shared status service=nodes
        handlestore shared status service=nodes --format prometheus > nodes.prom

      Exit codes: 0 success; 3 there is no store in the database, or it has another version; 4 the \
      database cannot be reached, or it refused.
      """)

  @OptionGroup var argument: ConnectionArgument
  @Option(
    help: "Print text, JSON, or figures for a monitoring system in either of two formats.")
  var format = Stat.Format.text

  func run() throws {
    let status = try SharedStore(argument.connection.text).status()
    var output = Output()
    switch format {
    case .text:
      try status.report.print(asJSON: false, to: &output)
      for line in status.table { try output.line(line) }
    case .json: try output.line { status.json.append(to: &$0) }
    case .openmetrics: output.append(status.metrics(.openMetrics))
    case .prometheus: output.append(status.metrics(.prometheus))
    }
    try output.flush()
  }
}

extension SharedStoreStatus {
  fileprivate var report: Report {
    var report = Report()
    report.add("nodes", live + stale)
    report.add("live", live)
    report.add("stale", stale)
    report.add("aliases", aliases)
    report.add("watches", watches)
    report.add("limbo", limbo)
    report.add("changes waiting", changes)
    report.add("generation", UInt64(incarnation))
    report.add("database", Text.plain(place))
    report.add("server version", serverVersion)
    report.add("in recovery", .flag(isStandby))
    report.add("synchronous commit", synchronousCommit)
    report.add("standbys", standbys.map { .words($0.map(\.text)) } ?? .unknown)
    return report
  }

  /// The lines of a table of the gateways.
  fileprivate var table: [String] {
    guard !gateways.isEmpty else { return [] }
    let width = max(7, gateways.map { Text.plain($0.name).count }.max() ?? 0) + 2
    return [
      "", Text.left("GATEWAY", width) + Text.left("EPOCH", 7) + Text.left("LEASE", 9) + "PINS",
    ]
      + gateways.map { gateway in
        Text.left(Text.plain(gateway.name), width) + Text.left("\(gateway.epoch)", 7)
          + Text.left(gateway.isLive ? Text.seconds(gateway.leaseLeft) : "over", 9)
          + (gateway.hasPins ? "yes" : "no")
      }
  }

  fileprivate var json: JSON {
    .object(
      report.jsonMembers.filter { $0.0 != "standbys" } + [
        ("standbys", standbys.map { .array($0.map(\.json)) } ?? .null),
        ("gateways", .array(gateways.map(\.json))),
      ])
  }

  fileprivate func metrics(_ format: Metrics.Format) -> [UInt8] {
    var metrics = Metrics(format, common: ["store": place])
    metrics.gauge(
      "handlestore_nodes", "Nodes by state.",
      [("live", live), ("stale", stale)].map { (["state": $0] as Metrics.Labels, $1) })
    metrics.gauge("handlestore_aliases", "Former handles of nodes.", aliases)
    metrics.gauge("handlestore_watches", "Watches.", watches)
    metrics.gauge("handlestore_limbo_nodes", "Stale nodes that are still watched.", limbo)
    metrics.gauge(
      "handlestore_waiting_changes", "Changes that a gateway may not have heard of.", changes)
    metrics.gauge(
      "handlestore_gateway_live", "Whether the gateway has its lease (1) or not (0).",
      gateways.map { ($0.labels, $0.isLive ? 1 : 0) })
    metrics.gauge(
      "handlestore_gateway_epoch", "How often the gateway has joined.",
      gateways.map { ($0.labels, $0.epoch) })
    metrics.gauge(
      "handlestore_gateway_lease_seconds", "How long the lease still lasts.",
      gateways.map { ($0.labels, max(0, $0.leaseLeft)) })
    metrics.gauge(
      "handlestore_gateway_pins", "Whether clients of the gateway may hold nodes (1) or not (0).",
      gateways.map { ($0.labels, $0.hasPins ? 1 : 0) })
    if let standbys {
      metrics.gauge("handlestore_standbys", "Standbys of the database server.", standbys.count)
    }
    return metrics.finished()
  }
}

extension SharedStoreStatus.Gateway {
  fileprivate var labels: Metrics.Labels { ["gateway": Text.plain(name)] }

  fileprivate var json: JSON {
    .object([
      ("gateway", .string(name)), ("epoch", .number(epoch)), ("live", .flag(isLive)),
      ("lease_seconds", .fraction(max(0, leaseLeft))), ("pins", .flag(hasPins)),
    ])
  }
}

extension SharedStoreStatus.Standby {
  fileprivate var text: String { "\(Text.plain(name)) (\(state), \(synchronization))" }

  fileprivate var json: JSON {
    .object([
      ("standby", .string(name)), ("state", .string(state)),
      ("synchronization", .string(synchronization)),
    ])
  }
}
