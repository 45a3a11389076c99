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

  /// Returns the rates of a workload in each round.
  func measured(_ workload: Int) -> Measured { Measured(name: name, rounds: rates[workload]) }

  var usage: ServerUsage {
    ServerUsage(
      name: name, command: contender.words, descriptors: descriptors, kibibytes: kibibytes,
      failures: failures)
  }
}
