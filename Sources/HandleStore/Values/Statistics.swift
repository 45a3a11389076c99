internal import Synchronization

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

/// The counters behind ``Statistics``.
package final class StatisticsCounters: Sendable {
  package init() {}

  enum Counter: Int, CaseIterable {
    case created, existing, replaced, retired, dropped, gets, opened, compared, admitted
  }

  /// Counts values by their power of two.
  final class HistogramCounters: Sendable {
    private let buckets = (0..<64).map { _ in AtomicCounter() }
    private let sum = AtomicCounter()

    func record(_ value: UInt64) {
      buckets[63 - (value | 1).leadingZeroBitCount].add(1)
      sum.add(value)
    }

    var histogram: Statistics.Histogram {
      .init(buckets: buckets.map(\.value), sum: sum.value)
    }
  }

  final class AtomicCounter: Sendable {
    private let atomic = Atomic<UInt64>(0)
    func add(_ n: UInt64) { atomic.wrappingAdd(n, ordering: .relaxed) }
    var value: UInt64 { atomic.load(ordering: .relaxed) }
  }

  private let counters = Counter.allCases.map { _ in AtomicCounter() }
  private let errors = Dictionary(
    uniqueKeysWithValues: StoreError.Code.allCases.map { ($0, AtomicCounter()) })
  private let gateRefusals = GateRefusal.allCases.map { _ in AtomicCounter() }
  private let writeSizes = HistogramCounters()
  private let writeTimes = HistogramCounters()
  let registerTimes = HistogramCounters()
  let openTimes = HistogramCounters()
  let gateTimes = HistogramCounters()

  func count(_ counter: Counter, _ n: UInt64 = 1) { counters[counter.rawValue].add(n) }

  func failed(_ code: StoreError.Code) { errors[code]?.add(1) }
  func refused(_ refusal: GateRefusal) { gateRefusals[refusal.rawValue].add(1) }

  func committed(changes: Int, nanoseconds: UInt64) {
    writeSizes.record(UInt64(changes))
    writeTimes.record(nanoseconds)
  }

  func registered(_ outcome: Registration.Outcome) {
    switch outcome {
    case .created: count(.created)
    case .existing: count(.existing)
    case .replaced: count(.replaced)
    case .stale: failed(.staleHandle)
    }
  }

  func snapshot(cacheHits: UInt64) -> Statistics {
    let failed = errors.mapValues(\.value).filter { $0.value > 0 }
    let gated = Self.counted(GateRefusal.allCases, gateRefusals)
    func value(_ counter: Counter) -> UInt64 { counters[counter.rawValue].value }
    return Statistics(
      created: value(.created), existing: value(.existing), replaced: value(.replaced),
      retired: value(.retired), dropped: value(.dropped), gets: value(.gets) + cacheHits,
      cacheHits: cacheHits, opened: value(.opened), compared: value(.compared),
      errors: failed, admitted: value(.admitted), gateRefusals: gated,
      writeSizes: writeSizes.histogram, writeTimes: writeTimes.histogram,
      registerTimes: registerTimes.histogram, openTimes: openTimes.histogram,
      gateTimes: gateTimes.histogram)
  }

  private static func counted<Case: Hashable>(
    _ cases: [Case], _ counters: [AtomicCounter]
  ) -> [Case: UInt64] {
    let counts = zip(cases, counters).map { ($0, $1.value) }
    return Dictionary(uniqueKeysWithValues: counts.filter { $0.1 > 0 })
  }
}
