/// The results of one contender: the rates of each workload in each round.
struct FileSystemResult {
  let contender: Contender
  /// By workload and round; `nil` if the work failed.
  private(set) var rates: [[Double?]]
  private(set) var failures: [String] = []
  private(set) var descriptors = 0
  private(set) var kibibytes = 0

  init(_ contender: Contender, workloads: Int) {
    self.contender = contender
    rates = Array(repeating: [], count: workloads)
  }

  var name: String { contender.name }

  mutating func add(_ rate: Double?, of workload: Int) { rates[workload].append(rate) }

  /// Notes why work failed, once.
  mutating func failed(_ reason: String) {
    if !failures.contains(reason) { failures.append(reason) }
  }

  mutating func use(_ usage: (descriptors: Int, kibibytes: Int)) {
    descriptors = max(descriptors, usage.descriptors)
    kibibytes = max(kibibytes, usage.kibibytes)
  }

  /// Returns the rates of a workload over the rounds in which it succeeded, or `nil` if it never
  /// did.
  func rate(_ workload: Int) -> Spread? { Spread(rates[workload].compactMap(\.self)) }

  /// Returns the ratio of this contender's rates to another's, round by round.
  func ratio(to other: FileSystemResult, _ workload: Int) -> Spread? {
    Spread(
      zip(rates[workload], other.rates[workload]).compactMap { ours, theirs in
        if let ours, let theirs { ours / theirs } else { nil }
      })
  }

  /// Returns the server that is fastest beside this contender, and the ratio to it.
  func besideFastest(
    of others: some Sequence<FileSystemResult>, _ workload: Int
  ) -> (name: String, ratio: Spread)? {
    others.compactMap { other in ratio(to: other, workload).map { (other.name, $0) } }
      .min { $0.1.median < $1.1.median }
  }
}

/// The middle of some values, and how far they reach.
struct Spread {
  let median, lowest, highest: Double

  /// Returns `nil` if there are no values.
  init?(_ values: [Double]) {
    let sorted = values.sorted()
    guard let first = sorted.first, let last = sorted.last else { return nil }
    let middle = sorted.count / 2
    median =
      sorted.count.isMultiple(of: 2) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
    (lowest, highest) = (first, last)
  }

  /// Half the distance from the lowest to the highest value, in percent of the median.
  var percent: Int { Int(((highest - lowest) / median * 50).rounded()) }
}
