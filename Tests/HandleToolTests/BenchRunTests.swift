import Foundation
import TestSupport
import Testing

/// `handlebench run`, and what it writes as JSON.
@Suite struct BenchRunTests {
  private struct Result: Decodable {
    struct Option: Decodable { let name, value: String }
    struct Machine: Decodable {
      let processor, kernel, filesystem: String
      let processors, memoryBytes: Int
      let software: [Software]
    }
    struct Software: Decodable { let name, version: String }
    struct Noise: Decodable {
      let before, after: [Int]
      let spreadPercent, driftPercent, limitPercent: Double
      let isNoisy: Bool
    }
    struct Workload: Decodable {
      let name, unit: String
      let threads: Int?
      let contenders: [Contender]
      let goal: Goal?
      let reached: Spread?
      let isMet: Bool?
    }
    struct Contender: Decodable {
      let name: String
      let rounds: [Double]
      let latency: Latency?
    }
    struct Latency: Decodable {
      struct Point: Decodable { let percent, nanoseconds: Double }
      let sample: String
      let count: Int
      let points: [Point]
    }
    struct Goal: Decodable {
      let measure: String
      let limit: Double
      let isAtMost: Bool
    }
    struct Spread: Decodable { let median, lowest, highest: Double }
    let format: Int
    let benchmark, version, date: String
    let options: [Option]
    let machine: Machine
    let noise: Noise
    let workloads: [Workload]
  }

  private let directory: TemporaryDirectory
  private let text: String
  private let result: Result

  init() throws {
    directory = try TemporaryDirectory()
    let file = directory.appending("result.json").string
    let ran = try run([
      Commands.handlebench, "run", "--nodes", "1000", "--rounds", "2", "--directory",
      directory.path.string, "--json", file,
    ])
    try #require(ran.status == 0, "\(ran.errors)")
    text = ran.output
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    result = try decoder.decode(Result.self, from: Data(contentsOf: URL(fileURLWithPath: file)))
  }

  @Test func theResultIsWhole() throws {
    checkMachine()
    checkNoise()
    #expect(result.workloads.count >= 8)
    for workload in result.workloads { try check(workload) }
    try checkBatches()
    // Nothing is left but the result.
    let left = try FileManager.default.contentsOfDirectory(atPath: directory.path.string)
    #expect(left == ["result.json"])
  }

  @Test func threadsAreMeasured() throws {
    let rows = result.workloads.filter { $0.threads != nil }
    #expect(rows.map(\.threads) == [1, 2, 4, 8, 16])
    #expect(rows.map(\.contenders.count) == [1, 2, 2, 2, 2])
    for row in rows { #expect(row.contenders.allSatisfy { $0.rounds.count == 2 }) }
  }

  private func checkMachine() {
    #expect(result.format == 1)
    #expect(result.benchmark == "run")
    #expect(result.options.contains { $0.name == "nodes" && $0.value == "1000" })
    #expect(result.date.hasPrefix("20") && result.date.hasSuffix("Z"))
    let machine = result.machine
    #expect(machine.processor != "unknown" && machine.filesystem != "unknown")
    #expect(machine.processors > 0 && machine.memoryBytes > 1 << 20)
    #expect(machine.kernel.wholeMatch(of: /\d+\.\d+.*/) != nil)
    for name in ["Swift", "LMDB"] {
      #expect(machine.software.contains { $0.name == name && $0.version.contains(".") }, "\(name)")
    }
  }

  private func checkNoise() {
    let noise = result.noise
    #expect(noise.before.count == 100 && noise.after.count == 100)
    #expect((noise.before + noise.after).allSatisfy { $0 > 0 })
    let most = max(noise.spreadPercent, noise.driftPercent)
    #expect(noise.isNoisy == (most > noise.limitPercent))
    #expect(text.contains("NOISY MACHINE") == noise.isNoisy)
  }

  /// Percentiles rise, and there are none that the number of operations does not support.
  private func check(_ workload: Result.Workload) throws {
    for contender in workload.contenders where contender.latency != nil {
      let latency = try #require(contender.latency)
      let times = latency.points.map(\.nanoseconds)
      #expect(times == times.sorted(), "\(workload.name)")
      #expect(latency.points.last?.percent == 100)
      for point in latency.points.dropLast() {
        #expect(Double(latency.count) * (100 - point.percent) / 100 >= 1, "\(workload.name)")
      }
    }
    #expect(workload.goal == nil || workload.isMet != nil, "\(workload.name)")
    if let goal = workload.goal, let reached = workload.reached {
      let isMet = goal.isAtMost ? reached.median <= goal.limit : reached.median >= goal.limit
      #expect(workload.isMet == isMet, "\(workload.name)")
    }
  }

  /// The time of a batch is not the time of an operation, and the table says so.
  private func checkBatches() throws {
    let batched = try #require(result.workloads.first { $0.name.contains("batched") })
    for contender in batched.contenders {
      #expect(contender.latency?.sample.hasPrefix("batch of ") == true)
    }
    #expect(text.contains("[batch of "))
    let got = try #require(result.workloads.first { $0.name == "get, random, scattered" })
    let latency = try #require(got.contenders.first?.latency)
    #expect(latency.sample == "operation")
    #expect(latency.points.contains { $0.percent == 99.99 })
  }
}
