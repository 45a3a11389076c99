import Formatting

extension FileSystemReport {
  var json: JSON {
    .object([
      ("workloads", .array(workloads.indices.map(row))),
      ("servers", .array(results.dropFirst().map(Self.server))),
      (
        "missing",
        .array(
          missing.map { .object([("name", .string($0.name)), ("reason", .string($0.reason))]) })
      ),
      ("restartNanoseconds", .array(restarts.map { .number($0) })),
    ])
  }

  private func row(_ i: Int) -> JSON {
    let (workload, fastest) = (workloads[i], fastest(i))
    return .object([
      ("name", .string(workload.name)), ("clients", .count(workload.clients)),
      ("unit", .string(workload.isCommand ? "runs a second" : "operations a second")),
      ("rates", .object(results.map { ($0.name, Self.rates($0, i)) })),
      ("toBare", Self.spread(ours.ratio(to: bare, i))),
      ("fastestOther", fastest.map { .string($0.name) } ?? .null),
      ("toFastestOther", Self.spread(fastest?.ratio)),
      ("goal", workload.goal.map { .decimal($0, places: 2) } ?? .null),
      ("isMet", isMet(i).map { .flag($0) } ?? .null),
    ])
  }

  /// The rates of all rounds; `null` if the work failed.
  private static func rates(_ result: FileSystemResult, _ workload: Int) -> JSON {
    .array(result.rates[workload].map { $0.map { .decimal($0, places: 3) } ?? .null })
  }

  private static func spread(_ spread: Spread?) -> JSON {
    guard let spread else { return .null }
    return .object([
      ("median", .decimal(spread.median, places: 4)),
      ("lowest", .decimal(spread.lowest, places: 4)),
      ("highest", .decimal(spread.highest, places: 4)),
    ])
  }

  private static func server(_ result: FileSystemResult) -> JSON {
    .object([
      ("name", .string(result.name)),
      ("command", .array(result.contender.words.map { .string($0) })),
      ("descriptors", .count(result.descriptors)), ("kibibytes", .count(result.kibibytes)),
      ("failures", .array(result.failures.map { .string($0) })),
    ])
  }
}
