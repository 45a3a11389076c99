import Foundation
import TestSupport
import Testing

/// `handlebench fs`, as a user runs it.
@Suite struct BenchmarkTests {
  @Test(.mountsHandleFS) func measuresAndKills() throws {
    let volume = try Volume(.ext4, megabytes: 512)
    let directory = try TemporaryDirectory()
    let results = directory.path.appending("results.json")
    let result = try run([
      product("handlebench"), "fs", volume.path.string, "--handlefs",
      try #require(Mounted.program), "--files", "20", "--rounds", "1", "--kills", "2", "--json",
      results.string,
    ])
    #expect(result.status == 0, "\(result.output)\(result.errors)")
    #expect(result.output.contains("2 kills"), "\(result.output)")
    let descriptors = try #require(
      result.output.firstMatch(of: /descriptors +(\d+)/).flatMap { Int($0.1) })
    #expect(descriptors > 0)
    #expect(FileManager.default.fileExists(atPath: results.string))
  }
}
