import Foundation
import SystemPackage
import TestSupport
import Testing

/// `handlebench fs`, as a user runs it. All tests together take one to two minutes.
@Suite(.mountsHandleFS, .serialized) struct BenchmarkTests {
  private let volume: Volume
  private let directory: TemporaryDirectory

  init() throws {
    volume = try Volume(.ext4, megabytes: 512)
    directory = try TemporaryDirectory()
  }

  /// Runs a small benchmark.
  private func benchmark(_ more: String...) throws -> CommandResult {
    try run(
      [
        Commands.handlebench, "fs", volume.path.string, "--handlefs",
        try #require(Mounted.program), "--files", "20", "--json", results.string,
      ] + more, environment: ["TMPDIR": directory.path.string])
  }

  private var results: FilePath { directory.appending("results.json") }

  /// Makes a server that "mounts" the directory itself, so that it is as fast as the bare filesystem.
  private func native(_ name: String, _ options: String = "rw") throws -> String {
    let script = directory.appending(name)
    try write(
      """
      #!/bin/sh
      # Elsewhere first: nobody must see it without the options.
      mkdir -p "$0.aside"
      mount --bind "$1" "$0.aside" && mount -o "remount,bind,\(options)" "$0.aside"
      mount --move "$0.aside" "$2"
      while mountpoint -q "$2"; do sleep 0.05; done
      """, to: script)
    chmod(script.string, 0o755)
    return "\(name)=\(script) {source} {mountpoint}"
  }

  private func json() throws -> Results {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(
      Results.self, from: Data(contentsOf: URL(fileURLWithPath: results.string)))
  }

  /// All that a run prints and writes. One of the peers is as fast as the bare filesystem, so that
  /// goals are missed; another one fails.
  @Test func measuresAllServersAndKills() throws {
    let result = try benchmark(
      "--rounds", "2", "--kills", "2", "--handlefs-options", "--cache-timeout 2",
      "--peer", try native("native"), "--peer", try native("broken", "ro"))
    #expect(result.status == 0, "\(result.output)\(result.errors)")
    #expect(result.output.contains("2 kills"), "\(result.output)")
    let results = try json()
    try checkServers(results)
    // Seven rows of small files and three of big ones, for one client and for four; git and make.
    #expect(results.workloads.count == 23)
    for row in results.workloads { try checkRow(row) }
    #expect(results.workloads.filter { $0.goal != nil }.count == 14)
    let missed = results.workloads.filter { $0.isMet == false }
    #expect(missed.contains { $0.comparedWith == "native" })
    #expect(result.output.components(separatedBy: "NOT MET").count - 1 == missed.count)
    #expect(
      result.output.contains("broken failed: create, write 100 B: Read-only file"))
    #expect(try !isBusy())
  }

  private func checkServers(_ results: Results) throws {
    #expect(
      results.servers.map(\.name) == [
        "handlefs", "bindfs", "mergerfs", "passthrough_ll", "ll-always", "native", "broken",
      ])
    #expect(results.missing.map(\.name) == ["passthrough_hp"])
    #expect(results.servers[0].command.suffix(2) == ["--cache-timeout", "2"])
    #expect(results.restarts.count == 2)
    #expect(results.walks.map(\.name) == results.servers.map(\.name))
    for walk in results.walks {
      #expect(walk.points.map(\.files) == (0...20).map { $0 * 5 })
      #expect(walk.points.allSatisfy { $0.descriptors > 0 && $0.kibibytes > 0 }, "\(walk.name)")
    }
    for server in results.servers {
      #expect((server.failures != []) == (server.name == "broken"))
      #expect(server.descriptors > 0 && server.kibibytes > 0 || server.name == "broken")
    }
  }

  /// Ratios are medians of the rounds' ratios. A goal is about the fastest server, the one to which
  /// the ratio is the lowest; without one, HandleFS is compared with the bare filesystem.
  private func checkRow(_ row: Results.Row) throws {
    for contender in row.contenders {
      #expect(contender.rounds.count == 2)
      #expect(
        contender.name == "broken" || contender.rounds.allSatisfy { ($0 ?? 0) > 0 },
        "\(contender.name), \(row.name)")
    }
    let ratios = row.ratios()
    let others = ratios.filter { $0.key != "bare" }
    let fastest = try #require(others.min { $0.value < $1.value })
    #expect(row.comparedWith == (row.goal == nil ? "bare" : fastest.key))
    let said = try #require(row.ratio)
    let expected = try #require(ratios[row.comparedWith])
    // Both are rounded.
    #expect(abs(said.median - expected) < 0.002 * max(1, expected), "\(row.name)")
    #expect(said.lowest <= said.median && said.median <= said.highest)
    #expect(row.isMet == row.goal.map { said.median >= $0.limit })
    #expect(row.goal == nil || row.contenders.last?.rounds == [nil, nil])
  }

  @Test(arguments: [
    (["--peer", "x"], "--peer must be name=command"),
    (["--peer", "=x {mountpoint}"], "--peer must"),
    (["--peer", "x=true"], "must contain {mountpoint}"), (["--files", "0"], "--files must be"),
    (["--files", "\(Int.max)"], "--files must be"), (["--rounds", "-1"], "--rounds"),
    (["--kills", "\(Int.max)"], "--kills"),
    (["--peer", "x=nothing-like-it {mountpoint}"], "there is no program nothing-like-it"),
    (["--peer", "bare=true {mountpoint}"], "a name of its own"),
    (["--peer", "x=true {mountpoint}", "--peer", "x=true {mountpoint}"], "a name of its own"),
  ]) func wrongUsage(_ arguments: [String], _ message: String) throws {
    let result = try run([Commands.handlebench, "fs", volume.path.string] + arguments)
    #expect(result.status == 64)
    #expect(result.errors.contains(message), "\(result.errors)")
  }

  /// A server that does not mount is named before anything is measured.
  @Test func aServerThatDoesNotMount() throws {
    let result = try benchmark("--peer", "none=true {mountpoint}")
    #expect(result.status == 1)
    #expect(result.errors.contains("true {mountpoint} did not mount"), "\(result.errors)")
  }

  @Test func anInterruptedRunRemovesEverything() throws {
    let child = try Child([
      "env", "TMPDIR=\(directory.path)", Commands.handlebench, "fs", volume.path.string,
      "--handlefs", try #require(Mounted.program), "--files", "500", "--rounds", "100",
    ])
    #expect(eventually(seconds: 60) { (try? self.isAtWork()) ?? false })
    kill(child.pid, SIGINT)
    #expect(child.wait(seconds: 60) != nil)
    #expect(try !isBusy())
    #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path.string) == [])
  }

  /// Whether something of the benchmark is on the volume.
  private func isBusy() throws -> Bool { try !places().isEmpty }

  /// Whether a contender's first turn has begun.
  private func isAtWork() throws -> Bool {
    try places().contains {
      FileManager.default.fileExists(atPath: volume.path.appending("\($0)/source/c0/d0").string)
    }
  }

  private func places() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: volume.path.string)
      .filter { $0.hasPrefix("handlebench-") }
  }
}

/// What `--json` writes.
private struct Results: Decodable {
  struct Spread: Decodable { let median, lowest, highest: Double }
  struct Missing: Decodable { let name, reason: String }
  struct Server: Decodable {
    let name: String
    let command, failures: [String]
    let descriptors, kibibytes: Int
  }
  struct Walk: Decodable {
    struct Point: Decodable { let files, descriptors, kibibytes: Int }
    let name: String
    let points: [Point]
  }
  struct Goal: Decodable { let limit: Double }
  struct Contender: Decodable {
    let name: String
    let rounds: [Double?]
  }
  struct Row: Decodable {
    let name: String
    let contenders: [Contender]
    let comparedWith: String
    let ratio: Spread?
    let goal: Goal?
    let isMet: Bool?

    /// The median ratio of HandleFS to each other contender, over two rounds.
    func ratios() -> [String: Double] {
      let ours = contenders[0].rounds.compactMap(\.self)
      let theirs = contenders.dropFirst().map { other in
        let ratios = zip(ours, other.rounds).compactMap { ours, other in other.map { ours / $0 } }
        return (other.name, ratios.isEmpty ? nil : ratios.reduce(0, +) / Double(ratios.count))
      }
      return Dictionary(uniqueKeysWithValues: theirs).compactMapValues(\.self)
    }
  }
  let workloads: [Row]
  let servers: [Server]
  let missing: [Missing]
  let restarts: [UInt64]
  let walks: [Walk]
}
