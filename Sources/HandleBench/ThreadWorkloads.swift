import HandleStore

extension Bench {
  /// Numbers of threads up to the one that was asked for, each twice the one before.
  var threadCounts: [Int] {
    Array(sequence(first: 1) { [threads] in $0 * 2 <= threads ? $0 * 2 : nil })
  }

  /// Registers files one by one, by one thread and by several, in turn.
  func registerInThreads() throws -> [Comparison] {
    let counts = threadCounts
    let all = try Comparison(
      "", rounds: rounds, contenders: counts.map { "\($0)" }
    ) { i, _ in try registerSingly(by: counts[i]) }
    let single = Self.throughput(all.contenders[0], named: "one thread")
    return zip(counts, all.contenders).dropFirst().map { count, measured in
      Comparison(
        name: "register, one by one", threads: count, unit: .operationsPerSecond,
        contenders: [Self.throughput(measured, named: "library"), single],
        goal: count == 4
          ? .atLeast(durability == .power ? 3 : 1.5, timesThatOf: single.name) : nil)
    }
  }

  private static func throughput(_ measured: Measured, named name: String) -> Measured {
    Measured(name: name, rounds: measured.rounds.map { $0.map { 1e9 / $0 } })
  }

  /// Registers files of a new store.
  private func registerSingly(by threads: Int) throws -> Timing {
    try step("register, \(threads) threads") {
      try withFreshStore(.clustered) { store, files in
        let (all, filesystem) = (files.batch(0..<singly), files.filesystem)
        try reserveIDs(of: store, files)
        let start = now()
        inThreads(threads) { thread in
          for i in stride(from: thread, to: all.count, by: threads) {
            guard (try? store.register(all[i], on: filesystem)) != nil else {
              fatalError("a registration failed")
            }
          }
        }
        return Timing(nanoseconds: now() - start, operations: UInt64(all.count))
      }
    }
  }
}
