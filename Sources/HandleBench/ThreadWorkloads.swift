import HandleStore

extension Bench {
  /// Numbers of threads up to the one that was asked for, each twice the one before.
  var threadCounts: [Int] {
    Array(sequence(first: 1) { [threads] in $0 * 2 <= threads ? $0 * 2 : nil })
  }

  /// Registers files one by one, by one thread and by several, in turn.
  func registerInThreads() throws -> [Comparison] {
    let counts = threadCounts
    var rates = counts.map { _ in [Double?]() }
    for _ in 0..<rounds {
      for (i, count) in counts.enumerated() {
        rates[i].append(1e9 / (try registerSingly(by: count)).each)
      }
    }
    let single = Measured(name: "one thread", rounds: rates[0])
    return zip(counts, rates).map { count, rates in
      Comparison(
        name: "register, one by one", threads: count, unit: .operationsPerSecond,
        contenders: [Measured(name: "library", rounds: rates)] + (count > 1 ? [single] : []),
        goal: count == 4
          ? .atLeast(durability == .power ? 3 : 1.5, timesThatOf: single.name) : nil)
    }
  }

  /// Registers files of a new store.
  private func registerSingly(by threads: Int) throws -> Timing {
    try step("register, \(threads) \(threads == 1 ? "thread" : "threads")") {
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
