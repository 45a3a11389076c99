import Foundation
import TestSupport
import Testing

/// What `handlebench all` refuses before it measures anything. A whole run takes too long for a test.
@Suite struct BenchAllTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func errors(_ path: String, _ place: String) throws -> String {
    let result = try run([
      "/usr/bin/env", "PATH=\(path)", Commands.handlebench, "all", "--directory", place, "--html",
      directory.appending("report.html").string,
    ])
    #expect(result.status == 1)
    #expect(result.output == "", "something was measured")
    #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path.string) == [])
    return result.errors
  }

  @Test func aMissingGnuplotIsNamed() throws {
    let found = try errors("/nonexistent", directory.path.string)
    #expect(found.contains("install Debian's package gnuplot-nox"), "\(found)")
  }

  @Test(.enabled(if: (try? run("sh", "-c", "command -v gnuplot").status) == 0, "no gnuplot"))
  func aDirectoryThatIsNotThere() throws {
    let place = directory.appending("none").string
    let found = try errors("/usr/bin:/bin", place)
    #expect(found.contains("\(place) is not a directory that can be written to"), "\(found)")
  }
}
