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

  @Test func aWorkloadWithoutContenders() throws {
    let file = try BenchResults.changed("run-10000", in: directory) { tree in
      BenchResults.changeFirstWorkload(&tree) { $0["contenders"] = [[String: Any]]() }
    }
    #expect(try errors(of: file).contains("has a workload without a contender"))
  }
}
