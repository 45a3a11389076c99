import Foundation
import TestSupport
import Testing

/// Files that are no results.
@Suite struct BenchResultFileTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func errors(of file: String) throws -> String {
    let result = try run(Commands.handlebench, "compare", file, BenchResults.path("run-10000"))
    #expect(result.status == 1)
    return result.errors
  }

  @Test func aFileThatIsNotThere() throws {
    let errors = try errors(of: directory.appending("none").string)
    #expect(errors.contains("none cannot be read"), "\(errors)")
  }

  @Test(arguments: ["", "{}", "[1]", "{\"format\": 1, \"benchmark\": 7}"])
  func somethingElse(_ text: String) throws {
    let file = directory.appending("other.json")
    try write(text, to: file)
    let errors = try errors(of: file.string)
    #expect(errors.contains("other.json is not a result of handlebench"), "\(errors)")
    #expect(errors.contains("give a file that --json wrote"))
  }

  @Test func aNewerForm() throws {
    let file = try BenchResults.changed("run-10000", in: directory) { $0["format"] = 2 }
    let errors = try errors(of: file)
    #expect(errors.contains("has format 2, and this handlebench reads format 1"), "\(errors)")
  }

  // MARK: Values that no benchmark writes

  private func fault(_ change: (inout [String: Any]) -> Void) throws -> String {
    let file = try BenchResults.changed("run-10000", in: directory, change)
    return try errors(of: file)
  }

  @Test func aWorkloadWithoutContenders() throws {
    let found = try fault { tree in
      BenchResults.changeFirstWorkload(&tree) { $0["contenders"] = [[String: Any]]() }
    }
    #expect(found.contains("it has a workload without a contender; give a file that --json wrote"))
  }

  @Test(arguments: [-1, 0, 1e308, 1e-300]) func values(_ value: Double) throws {
    let round = try fault { BenchResults.setRounds(&$0, [1, value], [1, 1]) }
    #expect(round.contains("changed.json is not a result of handlebench: a round has the value"))
    let limit = try fault { tree in
      BenchResults.changeFirstWorkload(&tree) { workload in
        var goal = workload["goal"] as? [String: Any] ?? [:]
        goal["limit"] = value
        workload["goal"] = goal
      }
    }
    #expect(limit.contains("a goal has the limit"), "\(limit)")
  }

  @Test func roundsThatAreNotThere() throws {
    let found = try fault { BenchResults.setRounds(&$0, [], [1, 1]) }
    #expect(found.contains("a contender has no rounds"), "\(found)")
  }

  @Test(arguments: [0, -4]) func threads(_ count: Int) throws {
    let found = try fault { tree in
      BenchResults.changeFirstWorkload(&tree) { $0["threads"] = count }
    }
    #expect(found.contains("a workload has \(count) threads"), "\(found)")
  }

  @Test(arguments: [[0, 50, 101], [50, 0, 100], [-1, 50, 100], [0, 50, 99], []])
  func percentiles(_ percents: [Double]) throws {
    let found = try fault { tree in
      BenchResults.changeFirstWorkload(&tree) { workload in
        var contenders = workload["contenders"] as? [[String: Any]] ?? []
        contenders[0]["latency"] = [
          "sample": "operation", "count": 9,
          "points": percents.map { ["percent": $0, "nanoseconds": 7] },
        ]
        workload["contenders"] = contenders
      }
    }
    #expect(found.contains("percentiles do not rise from 0 to 100"), "\(found)")
  }

  @Test(arguments: [[], [5, 0, 7], [-5]]) func noise(_ times: [Int]) throws {
    let found = try fault { tree in
      var noise = tree["noise"] as? [String: Any] ?? [:]
      noise["after"] = times
      tree["noise"] = noise
    }
    #expect(found.contains("its noise is not known"), "\(found)")
  }

  @Test(arguments: [(-1, 5), (5, -1), (5, Int.max)])
  func servers(_ descriptors: Int, _ kibibytes: Int) throws {
    let found = try fault { tree in
      tree["servers"] = [
        [
          "name": "a", "command": ["b"], "failures": [String](), "descriptors": descriptors,
          "kibibytes": kibibytes,
        ] as [String: Any]
      ]
    }
    #expect(found.contains("the use of a server is impossible"), "\(found)")
  }
}
