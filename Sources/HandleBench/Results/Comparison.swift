import HandleStore

/// The time that a run of operations took.
struct Timing {
  var nanoseconds: UInt64
  var operations: UInt64

  var each: Double { Double(nanoseconds) / Double(max(operations, 1)) }
}

/// A workload, done in turn by what is measured and by others: a row of the results.
struct Comparison: Codable {
  let name: String
  /// How many threads work at the same time, if the workload is done with several numbers of them.
  var threads: Int?
  var unit: Unit = .nanoseconds
  /// The first is what is measured. The second is what it is compared with, if there is no goal that
  /// names another one.
  var contenders: [Measured]
  var goal: Goal?

  /// The name, and how many threads work. No two workloads of a result have the same title.
  var title: String {
    threads.map { "\(name), \($0) \($0 == 1 ? "thread" : "threads")" } ?? name
  }

  var ours: Measured { contenders[0] }
  var others: ArraySlice<Measured> { contenders.dropFirst() }

  /// What it is compared with: the contender that the goal names, or else the first one that did the
  /// work.
  var reference: Measured? {
    if let name = goal?.against { return others.first { $0.name == name } }
    return others.first { $0.middle != nil }
  }

  /// Returns our values divided by another contender's, round by round.
  func ratio(to other: Measured) -> Spread? { ours.spread(with: other, /) }

  /// What the goal limits; `nil` if there is no goal, or nothing to compare with.
  var reached: Spread? {
    switch goal?.measure {
    case nil: nil
    case .value: ours.spread
    case .ratio: reference.flatMap { ours.spread(with: $0, /) }
    case .difference: reference.flatMap { ours.spread(with: $0, -) }
    }
  }

  /// Whether the goal is met; `nil` if there is none, or nothing to compare with.
  var isMet: Bool? {
    guard let goal, let reached else { return nil }
    return goal.isMet(by: reached.median)
  }
}

extension Comparison {
  /// Lets the library and the yardstick do the work in turn.
  ///
  /// - Parameters:
  ///   - sample: what a recorder gets the times of.
  ///   - ours: does the work once with the library; records single operations if it gets a
  ///     recorder.
  ///   - theirs: does the same with the yardstick.
  init(
    _ name: String, threads: Int? = nil, goal: Goal? = nil, rounds: Int,
    sample: String = Latency.operation, ours: (Recorder?) throws -> Timing,
    theirs: (Recorder?) throws -> Timing
  ) throws {
    try self.init(
      name, threads: threads, goal: goal, rounds: rounds, sample: sample,
      contenders: ["library", "yardstick"]
    ) { try $0 == 0 ? ours($1) : theirs($1) }
  }

  /// Lets contenders do the work in turn, `rounds` times, and then once more with recorders.
  ///
  /// - Parameters:
  ///   - contenders: their names. The first is what is measured.
  ///   - run: lets the contender with an index do the work once.
  init(
    _ name: String, threads: Int? = nil, goal: Goal? = nil, rounds: Int,
    sample: String = Latency.operation, contenders: [String],
    run: (Int, Recorder?) throws -> Timing
  ) throws {
    var times = contenders.map { _ in [Double?]() }
    for _ in 0..<rounds {
      for i in contenders.indices { times[i].append(try run(i, nil).each) }
    }
    let measured = try contenders.enumerated().map { i, name in
      let recorder = Recorder()
      _ = try run(i, recorder)
      return Measured(name: name, rounds: times[i], latency: Latency(recorder, of: sample))
    }
    self.init(name: name, threads: threads, contenders: measured, goal: goal)
  }
}

// MARK: JSON

extension Comparison {
  private enum Keys: String, CodingKey {
    case name, threads, unit, contenders, goal, comparedWith, ratio, reached, isMet
  }

  /// Also writes what follows from the rounds, for programs that read the file.
  func encode(to encoder: any Encoder) throws {
    var object = encoder.container(keyedBy: Keys.self)
    try object.encode(name, forKey: .name)
    try object.encodeIfPresent(threads, forKey: .threads)
    try object.encode(unit, forKey: .unit)
    try object.encode(contenders, forKey: .contenders)
    try object.encodeIfPresent(goal, forKey: .goal)
    try object.encodeIfPresent(reference?.name, forKey: .comparedWith)
    try object.encodeIfPresent(reference.flatMap(ratio), forKey: .ratio)
    try object.encodeIfPresent(reached, forKey: .reached)
    try object.encodeIfPresent(isMet, forKey: .isMet)
  }
}
