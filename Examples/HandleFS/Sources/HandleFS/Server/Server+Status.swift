internal import Formatting
internal import HandleStore
internal import PostgresNodeIndex

/// What the server tells of itself.
extension Server {
  func status(_ format: StatusFormat) -> [UInt8] {
    switch format {
    case .text: Array((lines.joined(separator: "\n") + "\n").utf8)
    case .json: json
    case .openmetrics: metrics(.openMetrics)
    case .prometheus: metrics(.prometheus)
    }
  }

  private var figures: [(name: String, count: UInt64)] {
    let known = store.statistics
    let requests = statistics.operations.map(\.times.count).reduce(0, +)
    return [("requests", requests)]
      + ServerStatistics.Counter.allCases.map { ($0.name, statistics[$0]) } + [
        ("descriptors", UInt64(files.count)), ("opens", UInt64(openFiles.count)),
        ("files_kept_by_kernel", UInt64(openFiles.keptCount)),
        ("files_without_name", UInt64(orphans.count)),
        ("files_kept_open", UInt64(kept?.count ?? 0)),
        ("requests_noted", UInt64(journal.count)), ("mounts", UInt64(neighbours.count)),
        ("max_background", UInt64(options.maxBackground)),
        ("congestion_threshold", UInt64(options.congestion)),
        ("nodes_in_kernel", UInt64(lookups.nodeCount)),
        ("nodes_asked_back", bound?.askedCount ?? 0), ("nodes_dropped", known.dropped),
        ("nodes_created", known.created), ("nodes_found", known.existing),
        ("nodes_replaced", known.replaced), ("nodes_retired", known.retired),
        ("files_opened", known.opened),
      ]
  }

  private var restarts: [(name: String, count: UInt64)] {
    MountHistory.Reason.allCases.map { ($0.rawValue, history.restarts($0)) }
  }

  /// Whether the directory of the cache can be used; `nil` if none was named.
  var cacheIsUsable: Bool? {
    options.hasCache ? store.gatewayStatus?.cacheIsUsable ?? false : nil
  }

  // MARK: JSON

  /// An object, its members in alphabetical order.
  private var json: [UInt8] {
    let members: [(String, JSON)] =
      [
        ("mountpoint", .string(options.mountpoint)), ("pid", .number(UInt64(Processes.id))),
        ("mounted", .string(Timestamp.text(history.mounted))),
        ("started", .string(Timestamp.text(started))),
        ("transport", .string(hasRings ? "uring" : "dev")),
        ("restarts", .object(restarts.map { ($0, .number($1)) })),
        ("operations", .object(statistics.operations.map { ($0, $1.json) })),
      ] + figures.map { ($0, .number($1)) } + (store.gatewayStatus?.members ?? [])
      + (cacheIsUsable.map { [("cache_usable", .flag($0))] } ?? [])
    var bytes: [UInt8] = []
    JSON.object(members.sorted { $0.0 < $1.0 }).append(to: &bytes)
    return bytes + Array("\n".utf8)
  }

  // MARK: Text

  private var lines: [String] {
    let replaced = restarts.filter { $0.count > 0 }.map { "\($0) \($1)" }
    let about = [
      ("mount point", options.mountpoint), ("mounted", Timestamp.text(history.mounted)),
      ("server", "process \(Processes.id), since \(Timestamp.text(started))"),
      ("transport", hasRings ? "io_uring" : "/dev/fuse"),
      ("restarts", replaced.isEmpty ? "none" : replaced.joined(separator: ", ")),
    ]
    let cache = cacheIsUsable.map { [("cache", $0 ? "usable" : "not usable; see the log")] } ?? []
    return (about + (store.gatewayStatus?.lines ?? []) + cache).map { Text.left($0, 22) + $1 }
      + figures.map { name, count in
        Text.left(String(name.map { $0 == "_" ? " " : $0 }), 22)
          + Text.right(Text.grouped(Int(clamping: count)), 14)
      } + table
  }

  private var table: [String] {
    [
      "",
      Text.left("OPERATION", 18) + Text.right("REQUESTS", 12) + Text.right("MEAN", 13)
        + Text.right("99 % WITHIN", 15),
    ]
      + statistics.operations.map { name, times in
        Text.left(name, 18) + Text.right(Text.grouped(Int(clamping: times.count)), 12)
          + Text.right(Self.microseconds(times.sum / times.count), 13)
          + Text.right(Self.microseconds(times.quantile(0.99)), 15)
      }
  }

  /// Returns a time in microseconds, with one digit after the point.
  private static func microseconds(_ nanoseconds: UInt64) -> String {
    let tenths = Int(clamping: nanoseconds / 100)
    return "\(Text.grouped(tenths / 10)).\(tenths % 10) µs"
  }
}

extension GatewayStatus {
  fileprivate var members: [(String, JSON)] {
    [
      ("gateway", .string(name)), ("database", .string(database)),
      ("lease_seconds", .fraction(leaseLeft / .seconds(1))),
    ]
  }

  fileprivate var lines: [(String, String)] {
    [
      ("gateway", "\(name), lease \(leaseLeft.components.seconds) s"),
      ("database", database),
    ]
  }

  /// Whether the database answers, in words.
  private var database: String {
    if case .inUse = end {
      return "taken over by another mount with this name; give each its own (--gateway)"
    }
    if let end { return "cannot be used any more: \(end)" }
    return isHeard ? "answers" : "has not answered for \(silence.components.seconds) s"
  }
}

extension Statistics.Histogram {
  fileprivate var json: JSON {
    .object([
      ("requests", .number(count)), ("seconds", .fraction(Double(sum) / 1e9)),
      ("p50_seconds", .fraction(Double(quantile(0.5)) / 1e9)),
      ("p99_seconds", .fraction(Double(quantile(0.99)) / 1e9)),
    ])
  }
}
