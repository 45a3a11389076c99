/// Refuses values that no benchmark writes, and that no axis or ratio could show.
struct ResultCheck {
  /// Times, rates, sizes and limits. The ratio of any two is a number, too.
  private static let values = 1e-9...1e15
  private static let threadCounts = 1...1_000_000

  let result: BenchmarkResult

  /// The first fault, or `nil` if there is none.
  var fault: String? {
    checkNoise() ?? result.workloads.lazy.compactMap(fault).first ?? checkServers()
  }

  private func checkNoise() -> String? {
    let isComplete = [result.noise.before, result.noise.after].allSatisfy { times in
      !times.isEmpty && times.allSatisfy { $0 > 0 }
    }
    return isComplete ? nil : "its noise is not known"
  }

  private func fault(of workload: Comparison) -> String? {
    guard !workload.contenders.isEmpty else { return "it has a workload without a contender" }
    guard workload.threads.map(Self.threadCounts.contains) ?? true else {
      return "a workload has \(workload.threads ?? 0) threads"
    }
    if let limit = workload.goal?.limit, !Self.values.contains(limit) {
      return "a goal has the limit \(limit)"
    }
    return workload.contenders.lazy.compactMap(fault).first
  }

  private func fault(of contender: Measured) -> String? {
    guard !contender.rounds.isEmpty else { return "a contender has no rounds" }
    if let value = contender.rounds.lazy.compactMap(\.self).first(where: {
      !Self.values.contains($0)
    }) {
      return "a round has the value \(value)"
    }
    return contender.latency.flatMap(fault)
  }

  /// Percentiles rise, and the last one is 100.
  private func fault(of latency: Latency) -> String? {
    let percents = latency.points.map(\.percent)
    let isRising = zip(percents, percents.dropFirst()).allSatisfy { $0 < $1 }
    guard isRising, percents.first.map({ $0 >= 0 }) ?? false, percents.last == 100 else {
      return "percentiles do not rise from 0 to 100"
    }
    let isKnown = latency.points.allSatisfy { Double($0.nanoseconds) <= Self.values.upperBound }
    return isKnown ? nil : "an operation took longer than a week"
  }

  private func checkServers() -> String? {
    func isPossible(_ descriptors: Int, _ kibibytes: Int) -> Bool {
      descriptors >= 0 && kibibytes >= 0 && Double(kibibytes) * 1024 <= Self.values.upperBound
    }
    let walked = (result.walks ?? []).flatMap(\.points)
    let arePossible =
      result.servers.allSatisfy { isPossible($0.descriptors, $0.kibibytes) }
      && walked.allSatisfy { $0.files >= 0 && isPossible($0.descriptors, $0.kibibytes) }
    return arePossible ? nil : "the use of a server is impossible"
  }
}
