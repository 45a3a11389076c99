import ArgumentParser
import Formatting
import Foundation
import HandleStore
import SystemPackage

/// `handlebench shared`.
struct SharedStores: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "shared",
    abstract: "Compares a store that several gateways share with plain libpq, and with LMDB.",
    discussion: """
      CONNECTION is a connection string or URI of libpq. The schema handlebench is created in its \
      database, and dropped at the end; a database that has the schema is refused. The gateways are \
      threads of this process, each with a store and connections of its own; a row says how many \
      threads there are in all. The handles are invented and nothing is opened, so no privilege is \
      needed. A standby for which commits wait makes all contenders in the database wait \
      (synchronous_standby_names); the first line shows it.

        handlebench shared "host=db1 dbname=test"
        handlebench shared postgresql://db1/test --rounds 5 --json result.json

      The contenders take turns: the gateways; a plain C program that puts the same rows over libpq \
      in pipelines of prepared statements, each thread with a connection and transactions of its own; \
      and stores in directories, with each durability. For these, a file of another gateway is one \
      that they have on the disk only.

      The first table has the times of an operation: the time of the run, divided by the operations \
      of all threads (the median of the rounds). The second one has the time that the gateways take \
      divided by that of libpq, or of LMDB if there is no such work for libpq (the median of the \
      rounds' ratios), the goal, and whether it is met. The third one has percentiles of single \
      calls in one more round.
      """)

  @Argument(help: "The database: a connection string or URI of libpq.")
  var connection: String

  @Option(help: "How many times each contender does the work.")
  var rounds = 3

  @Option(help: "Where to put the stores in directories.")
  var directory: String?

  @Option(help: "A file to write the results to as JSON.")
  var json: String?

  func validate() throws {
    guard (1...1000).contains(rounds) else {
      throw ValidationError("--rounds must be 1 to 1000")
    }
  }

  func run() throws {
    if let json { try Text.requireWritable(json) }
    let interruption = Interruption()
    var result = BenchmarkResult(
      of: "shared", options: ["rounds": "\(rounds)"], directory: directory ?? NSTemporaryDirectory()
    )
    let bench = try Bench(
      nodes: 0, threads: 1, durability: .process, rounds: rounds, parent: directory)
    defer { bench.cleanUp() }
    let inSchema = Self.inSchema(connection)
    let yardstick = try LibpqContender(inSchema)
    let outcome = Result {
      try measure(inSchema, yardstick, bench, check: interruption.check)
    }
    try yardstick.close()
    let (server, workloads) = try outcome.get()
    result.machine.software.append(server)
    result.workloads = workloads
    try result.finish(json: json)
  }

  /// Returns a connection string whose sessions have their tables in the schema.
  static func inSchema(_ connection: String) -> String {
    guard ["postgresql://", "postgres://"].contains(where: connection.hasPrefix) else {
      return connection + " options=-csearch_path=handlebench"
    }
    return connection + (connection.contains("?") ? "&" : "?")
      + "options=-csearch_path%3Dhandlebench"
  }

  private func measure(
    _ inSchema: String, _ yardstick: LibpqContender, _ bench: Bench, check: () throws -> Void
  ) throws -> (Machine.Software, [Comparison]) {
    let stores = try [
      StoreContender(shared: inSchema, bench),
      StoreContender(bench, .process), StoreContender(bench, .power),
    ]
    defer { for store in stores { try? store.close() } }
    try yardstick.createTables()
    let server = try Machine.Software(serverOf: inSchema)
    let contenders: [any SharedContender] = [stores[0], yardstick, stores[1], stores[2]]
    let progress = Progress(steps: SharedWorkload.all.count * (rounds + 1) * contenders.count)
    defer { progress.clear() }
    let results = try SharedWorkload.all.map { workload in
      try measure(workload, contenders) { contender in
        progress.show("\(workload.name), \(contender.name)")
        try check()
      } finishStep: {
        progress.finishStep()
      }
    }
    return (server, results)
  }

  /// Lets the contenders take turns at some work, and then do it once more with recorders.
  private func measure(
    _ workload: SharedWorkload, _ contenders: [any SharedContender],
    prepare: (any SharedContender) throws -> Void, finishStep: () -> Void
  ) throws -> Comparison {
    var times = contenders.map { _ in [Double?]() }
    let recorders = contenders.map { _ in Recorder() }
    for round in 0...rounds {
      for (i, contender) in contenders.enumerated() {
        try prepare(contender)
        let timing = try contender.run(workload, round == rounds ? recorders[i] : nil)
        if let timing, round < rounds { times[i].append(timing.each) }
        finishStep()
      }
    }
    let measured = contenders.indices.filter { !times[$0].isEmpty }.map { i in
      Measured(
        name: contenders[i].name, rounds: times[i],
        latency: Latency(recorders[i], of: workload.sample))
    }
    return Comparison(name: workload.name, contenders: measured, goal: workload.goal)
  }
}
