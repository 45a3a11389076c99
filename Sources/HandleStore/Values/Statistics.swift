/// What a store has done since it was opened. Times are in nanoseconds.
public struct Statistics: Sendable, Hashable {
  /// A distribution of times or amounts: how many values fell into each power of two.
  public struct Histogram: Sendable, Hashable {
    /// The number of values 2ⁿ…2ⁿ⁺¹−1 is at index n; the value 0 counts as 1.
    public let buckets: [UInt64]
    /// The sum of the values.
    public let sum: UInt64

    /// Creates a distribution, for a server that counts times of its own.
    ///
    /// - Parameters:
    ///   - buckets: the number of values in each power of two, as in ``buckets``.
    ///   - sum: the sum of the values.
    public init(buckets: [UInt64], sum: UInt64) {
      self.buckets = buckets
      self.sum = sum
    }

    /// The number of values.
    public var count: UInt64 { buckets.reduce(0, +) }

    /// Returns a value that at least `share` (0…1) of the values do not exceed: the upper end of a
    /// power of two. Returns 0 if there are no values.
    public func quantile(_ share: Double) -> UInt64 {
      let wanted = Double(count) * share
      var seen: UInt64 = 0
      for (power, n) in buckets.enumerated() {
        seen += n
        if n > 0 && Double(seen) >= wanted { return power >= 63 ? .max : (2 << UInt64(power)) - 1 }
      }
      return 0
    }
  }

  /// Registrations, by their outcome.
  public let created, existing, replaced: UInt64
  /// Nodes that were retired, by a call or because opening them showed that their file is gone.
  public let retired: UInt64
  /// Nodes that were dropped.
  public let dropped: UInt64
  /// Nodes read by id, and how many of them the cache had.
  public let gets, cacheHits: UInt64
  /// Files opened.
  public let opened: UInt64
  /// Handles that were made again after an open and compared, because the kernel does not check
  /// generation 0, or because this library does not know the layout.
  public let compared: UInt64
  /// Calls that threw, by the code of their error. Codes that did not occur are missing.
  public let errors: [StoreError.Code: UInt64]
  /// What passed the gate of an export, and what did not, by the check that refused it. Checks that
  /// refused nothing are missing.
  public let admitted: UInt64
  /// See ``admitted``.
  public let gateRefusals: [GateRefusal: UInt64]
  /// How many changes each write carried: the store writes the changes of several threads together.
  public let writeSizes: Histogram
  /// How long each write took.
  public let writeTimes: Histogram
  /// How long each registering call took.
  public let registerTimes: Histogram
  /// How long each opening of a node took.
  public let openTimes: Histogram
  /// How long the gate took for each token that passed.
  public let gateTimes: Histogram
}

/// The counters behind ``Statistics``. Groups of threads count in places of their own: a word that two
/// processors change in turn costs each of them more than the rest of a small operation.
package final class StatisticsCounters: Sendable {
  enum Counter: Int, CaseIterable {
    case created, existing, replaced, retired, dropped, gets, opened, compared, admitted
  }

  enum Distribution: Int, CaseIterable {
    case writeSizes, writeTimes, registerTimes, openTimes, gateTimes
  }

  /// The number of groups; a power of two.
  private static let groups = 8
  private static let distributionSize = 65

  private let codes: [StoreError.Code: Int]
  // The words of a group: the counters, the errors, the refusals, and the distributions, each with 64 powers
  // of two and the sum of the values.
  private let firstRefusal: Int
  private let firstDistribution: Int
  private let groupSize: Int
  private let words: AtomicWords

  package init() {
    let firstError = Counter.allCases.count
    codes = Dictionary(
      uniqueKeysWithValues: StoreError.Code.allCases.enumerated().map { ($1, firstError + $0) })
    firstRefusal = firstError + codes.count
    firstDistribution = firstRefusal + GateRefusal.allCases.count
    let size = firstDistribution + Distribution.allCases.count * Self.distributionSize
    // At least a cache line lies between the counters of two groups.
    groupSize = size + 8
    words = AtomicWords(allocating: Self.groups * groupSize)
  }

  // MARK: Counting

  private func add(_ n: UInt64, to word: Int) {
    words.add(n, to: (SystemCalls.threadNumber & (Self.groups - 1)) * groupSize + word)
  }

  func count(_ counter: Counter, _ n: UInt64 = 1) { add(n, to: counter.rawValue) }

  func failed(_ code: StoreError.Code) {
    if let word = codes[code] { add(1, to: word) }
  }

  func refused(_ refusal: GateRefusal) { add(1, to: firstRefusal + refusal.rawValue) }

  func record(_ value: UInt64, in distribution: Distribution) {
    let first = firstWord(of: distribution)
    add(1, to: first + 63 - (value | 1).leadingZeroBitCount)
    add(value, to: first + 64)
  }

  private func firstWord(of distribution: Distribution) -> Int {
    firstDistribution + distribution.rawValue * Self.distributionSize
  }

  func committed(changes: Int, nanoseconds: UInt64) {
    record(UInt64(changes), in: .writeSizes)
    record(nanoseconds, in: .writeTimes)
  }

  func registered(_ outcome: Registration.Outcome) {
    switch outcome {
    case .created: count(.created)
    case .existing: count(.existing)
    case .replaced: count(.replaced)
    case .stale: failed(.staleHandle)
    }
  }

  /// Counts many registrations, the usual kinds all at once.
  func registered(_ results: [Registration]) {
    var (created, existing) = (UInt64(0), UInt64(0))
    for result in results {
      switch result.outcome {
      case .created: created += 1
      case .existing: existing += 1
      case .replaced, .stale: registered(result.outcome)
      }
    }
    count(.created, created)
    count(.existing, existing)
  }

  // MARK: Reading

  private func sum(of word: Int) -> UInt64 {
    (0..<Self.groups).reduce(0) { $0 &+ words[$1 * groupSize + word] }
  }

  private func histogram(_ distribution: Distribution) -> Statistics.Histogram {
    let first = firstWord(of: distribution)
    return Statistics.Histogram(
      buckets: (first..<first + 64).map(sum), sum: sum(of: first + 64))
  }

  private func counted<Case: Hashable>(_ places: [(Case, word: Int)]) -> [Case: UInt64] {
    let counts = places.map { ($0.0, sum(of: $0.word)) }
    return Dictionary(uniqueKeysWithValues: counts.filter { $0.1 > 0 })
  }

  func snapshot(cacheHits: UInt64) -> Statistics {
    func value(_ counter: Counter) -> UInt64 { sum(of: counter.rawValue) }
    return Statistics(
      created: value(.created), existing: value(.existing), replaced: value(.replaced),
      retired: value(.retired), dropped: value(.dropped), gets: value(.gets) + cacheHits,
      cacheHits: cacheHits, opened: value(.opened), compared: value(.compared),
      errors: counted(codes.map { ($0, $1) }), admitted: value(.admitted),
      gateRefusals: counted(GateRefusal.allCases.map { ($0, firstRefusal + $0.rawValue) }),
      writeSizes: histogram(.writeSizes), writeTimes: histogram(.writeTimes),
      registerTimes: histogram(.registerTimes), openTimes: histogram(.openTimes),
      gateTimes: histogram(.gateTimes))
  }
}
