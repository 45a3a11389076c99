import Foundation
import HandleStore
import PostgresNodeIndex
import SystemPackage
import TestSupport

/// Gateways on nodes of their own, with a filesystem that all see, which use a store all the time while
/// the cluster and they meet faults.
struct Campaign {
  let cluster: Cluster
  /// Stands for a cluster filesystem.
  let volume: Volume
  var random: SeededGenerator
  var members: [Child] = []
  private var runs = 0
  /// The numbers of the runs that have not been killed, by gateway.
  private(set) var running = Cluster.gateways.map { _ in 0 }
  var replaced = Replaced()
  /// Since when each fault was in effect, in nanoseconds of `CLOCK_BOOTTIME`.
  private var faults: [(fault: Fault, moment: UInt64)] = []

  init(_ cluster: Cluster, seed: UInt64) throws {
    self.cluster = cluster
    random = SeededGenerator(seed: seed)
    // The histories are in it, too.
    volume = try Volume(.ext4, megabytes: 4096)
    try FileManager.default.createDirectory(
      atPath: volume.path.appending("files").string, withIntermediateDirectories: true)
    for number in Cluster.gateways.indices { members.append(try start(number)) }
  }

  /// Starts a gateway, after another one of its name has ended.
  mutating func start(_ number: Int) throws -> Child {
    runs += 1
    running[number] = runs
    let node = Cluster.gateways[number]
    let program = product("storeworker")
    return try cluster.start(
      [program, "member", cluster.database, node, volume.path.string, "\(runs)"], on: node)
  }

  /// Inflicts faults, each some time after the one before it.
  mutating func run(_ count: Int, _ chosen: [Fault]) throws {
    try awaitStore()
    usleep(1_000_000)
    for number in 0..<count {
      // Each once, and then any.
      let fault =
        number < chosen.count
        ? chosen[number]
        : chosen.flatMap { [$0].repeated($0.weight) }
          .randomElement(using: &random) ?? .killGateway
      try inflict(fault)
      if fault.isOfDatabase { try cluster("ready") }
      usleep(.random(in: 0..<1_000_000, using: &random))
      try requireMembers()
    }
  }

  /// Waits until all gateways have joined, and the standbys have the store. A standby that is promoted without
  /// it would leave the gateways none.
  private func awaitStore() throws {
    for member in members { try awaitJoining(member) }
    try cluster("ready")
  }

  /// Waits until a gateway that was started has joined.
  func awaitJoining(_ member: Child) throws {
    guard member.line() == "working" else {
      throw CommandFailure(description: "a gateway does not start: \(member.rest())")
    }
  }

  /// Writes down that a fault is in effect.
  mutating func note(_ fault: Fault) {
    faults.append((fault, SystemCalls.sinceBoot))
    say("\(SystemCalls.sinceBoot / 1_000_000) \(fault)")
  }

  /// Whether all gateways run, as they do until they are killed.
  private func requireMembers() throws {
    for member in members {
      guard let status = member.wait(seconds: 0) else { continue }
      throw CommandFailure(description: "a gateway ended (\(status)): \(member.rest())")
    }
  }

  /// Ends the gateways, and returns what is wrong with what they were told.
  mutating func end(lease: Duration) throws -> Outcome {
    try cluster("ready")
    try requireProgress()
    for member in members { member.kill() }
    let store = try Store(shared: cluster.database, gateway: "checker")
    try store.attach(Synthetic.directory)
    try store.attach(volume.path)
    let events = try (1...runs).flatMap { history($0) } + remainingDeletions(of: store)
    var checker = HistoryChecker(events, lease: lease, mayLose: cluster.mayLose)
    checker.check()
    try checker.check(store)
    try store.close()
    return Outcome(
      calls: events.count, longest: events.map { ($0.end ?? $0.start) - $0.start }.max() ?? 0,
      failures: events.count { $0.result == .failed },
      registrations: checker.registrations,
      findings: checker.findings + replaced.findings { history($0) },
      pauses: pauses(events))
  }

  /// Takes the deletions for which no gateway has asked any more.
  private func remainingDeletions(of store: Store) throws -> [HistoryEvent] {
    var events: [HistoryEvent] = []
    while true {
      let start = SystemCalls.sinceBoot
      let found = try store.deletions()
      guard !found.isEmpty else { return events }
      events.append(HistoryEvent(.deletions, start, SystemCalls.sinceBoot, HistoryResult(found)))
    }
  }

  /// The calls of a process. One that was killed at once has no history.
  private func history(_ run: Int, from offset: Int64 = 0) -> [HistoryEvent] {
    (try? HistoryEvent.read(path(run), from: offset)) ?? []
  }

  private func path(_ run: Int) -> FilePath { volume.path.appending("history-\(run)") }

  /// The size of the history of a process; 0 until it has joined.
  func size(_ run: Int) -> Int64 {
    guard let file = try? FileDescriptor.open(path(run), .readOnly) else { return 0 }
    defer { try? file.close() }
    return (try? file.seek(offset: 0, from: .end)) ?? 0
  }

  /// Waits until each gateway makes nodes again: none hangs for good.
  private func requireProgress() throws {
    let sizes = Dictionary(uniqueKeysWithValues: running.map { ($0, size($0)) })
    func isWorking(_ run: Int) -> Bool {
      history(run, from: sizes[run] ?? 0).contains { $0.result.isNew }
    }
    for _ in 0..<60 {
      usleep(1_000_000)
      if running.allSatisfy(isWorking) { return try requireMembers() }
    }
    throw CommandFailure(description: "a gateway does not go on")
  }

  /// After each kind of fault, how long it took until a node was made.
  private func pauses(_ events: [HistoryEvent]) -> [(fault: Fault, milliseconds: [UInt64])] {
    let made = events.filter { $0.result.isNew }.map { ($0.start, $0.end ?? .max) }
      .sorted { $0.0 < $1.0 }
    var found: [Fault: [UInt64]] = [:]
    for (fault, moment) in faults {
      let after = made.filter { $0.0 > moment }.prefix(200).map(\.1).min()
      if let after { found[fault, default: []].append((after - moment) / 1_000_000) }
    }
    return Fault.allCases.compactMap { fault in found[fault].map { (fault, $0.sorted()) } }
  }
}

struct Outcome {
  let calls: Int
  /// How long the longest call took, in nanoseconds.
  let longest: UInt64
  let failures: Int
  let registrations: Int
  let findings: [String]
  let pauses: [(fault: Fault, milliseconds: [UInt64])]
}

extension Array {
  func repeated(_ count: Int) -> [Element] { (0..<count).flatMap { _ in self } }
}

/// Prints a line at once.
func say(_ line: String) { FileHandle.standardOutput.write(Data("\(line)\n".utf8)) }
