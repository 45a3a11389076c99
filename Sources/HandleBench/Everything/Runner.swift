import Foundation

/// Runs benchmarks one after the other, each as a process of its own.
final class Runner {
  private(set) var results: [BenchmarkResult] = []
  /// The benchmarks that were not run, or that failed, and why.
  private(set) var leftOut: [Missing] = []
  private(set) var hasFailed = false
  private let place: String
  private let interruption: Interruption
  private var database: TemporaryDatabase?

  /// - Parameter place: the directory for what they make.
  init(place: String, interruption: Interruption) {
    (self.place, self.interruption) = (place, interruption)
  }

  func run(_ benchmarks: [Benchmark]) throws {
    for benchmark in benchmarks {
      if let obstacle = benchmark.obstacle { leaveOut(benchmark, because: obstacle) }
    }
    defer { database?.stop() }
    for benchmark in benchmarks where benchmark.obstacle == nil {
      do {
        try run(benchmark)
      } catch {
        try interruption.check()
        leaveOut(benchmark, because: "\(error)")
        hasFailed = true
      }
      try interruption.check()
    }
  }

  private func leaveOut(_ benchmark: Benchmark, because reason: String) {
    leftOut.append(Missing(name: benchmark.name, reason: reason))
    print("\(benchmark.name) is left out: \(reason)\n")
  }

  private func run(_ benchmark: Benchmark) throws {
    let json = "\(place)/\(benchmark.file)"
    let words = try benchmark.arguments()
    let program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().path
    let process = try BoundProcess([program] + words + ["--json", json], signal: "TERM")
    let status = process.wait { interruption.came }
    guard status == 0 else {
      throw BenchError(description: "handlebench \(words[0]) failed; it printed the reason")
    }
    results.append(try BenchmarkResult(from: json))
  }

  /// Starts a database server that is stopped after the benchmarks, and returns how to connect to it.
  func startDatabase() throws -> String {
    let database = try TemporaryDatabase(in: place)
    self.database = database
    return database.connection
  }
}
