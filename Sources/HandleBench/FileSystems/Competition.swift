import Foundation

/// Lets the contenders do their turns, round by round.
struct Competition {
  let turns: [Turn]
  let rounds: Int
  let place: WorkingPlace
  /// Throws if the run is to end.
  let check: () throws -> Void

  /// The first of the workloads of each turn.
  private var firsts: [Int] {
    turns.indices.map { turns[..<$0].map(\.workloads.count).reduce(0, +) }
  }

  /// Runs all rounds. The contender that begins is another one in each.
  ///
  /// - Parameters:
  ///   - contenders: the bare filesystem, HandleFS, and then the others.
  ///   - result: gets the rows, and what the servers used.
  func run(_ contenders: [Contender], into result: inout BenchmarkResult) throws {
    let results = try run(contenders)
    let inOrder = [results[1], results[0]] + results.dropFirst(2)
    result.workloads = turns.flatMap(\.workloads).enumerated().map { i, workload in
      workload.row(inOrder.map { $0.measured(i) })
    }
    result.servers = results.dropFirst().map(\.usage)
  }

  private func run(_ contenders: [Contender]) throws -> [FileSystemResult] {
    let workloads = turns.map(\.workloads.count).reduce(0, +)
    var results = contenders.map { FileSystemResult($0, workloads: workloads) }
    let progress = Progress(steps: rounds * turns.count * contenders.count)
    defer { progress.clear() }
    for round in 0..<rounds {
      for (turn, first) in zip(turns, firsts) {
        for i in results.indices.map({ ($0 + round) % results.count }) {
          progress.show("\(turn.name), \(results[i].name)")
          try take(turn, first, &results[i])
          progress.finishStep()
        }
      }
    }
    return results
  }

  /// Lets a contender do a turn. What follows a failure of another server counts as failed, too.
  private func take(_ turn: Turn, _ first: Int, _ result: inout FileSystemResult) throws {
    var rates: [Double] = []
    do {
      try place.withMount(result.contender, of: turn.source) { mounted in
        try prepare(turn, mounted)
        for workload in turn.workloads {
          rates.append(try measure(workload, mounted))
          result.use(mounted.usage())
        }
      }
    } catch {
      try check()
      let reason = "\(turn.workloads[min(rates.count, turn.workloads.count - 1)].title): \(error)"
      guard result.contender.isOther else {
        throw BenchError(description: "\(result.name), \(reason)")
      }
      result.failed(reason)
    }
    for i in turn.workloads.indices {
      result.add(i < rates.count ? rates[i] : nil, of: first + i)
    }
  }

  private func prepare(_ turn: Turn, _ mounted: MountedContender) throws {
    if let preparation = turn.preparation {
      try FileSystemWorkload.run(preparation, in: mounted.path)
    }
    try place.settle()
  }

  private func measure(_ workload: FileSystemWorkload, _ mounted: MountedContender) throws -> Double
  {
    try check()
    if workload.isCold { try place.dropCaches() }
    return try workload.run(in: mounted.path)
  }
}
