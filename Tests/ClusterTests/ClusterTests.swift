import Foundation
import TestSupport
import Testing

/// Gateways of a store in a PostgreSQL cluster that fails over by itself, with faults of all of them:
/// nothing that was acknowledged is lost, no id is given to two files, and no file has two nodes.
@Suite(.enabled(if: ClusterTests.mayRun, "needs root, Patroni and etcd (Scripts/packages)"))
struct ClusterTests {
  private static let scripts = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("../../Scripts").standardizedFileURL
  private static let script = scripts.appendingPathComponent("cluster").path

  /// In CI the test runs, and fails, if something is missing.
  static let mayRun =
    isContinuousIntegration
    || (mayMount
      && (try? run("sh", "-c", "command -v patroni ip && unshare --net true"))?.status == 0)

  private func campaign(_ faults: String...) throws -> CommandResult {
    try run([Self.script, "run", product("clustercampaign"), Self.script] + faults)
  }

  /// A campaign of ten times as many faults has each of them.
  @Test func nothingIsLost() throws {
    let seed = "\(seed(usually: 11))"
    let result =
      soak == 1
      ? try campaign("4", seed, "killGateway", "unplugGateway", "killPrimary", "isolatePrimary")
      : try campaign("\(20 * soak)", seed)
    #expect(result.status == 0, "seed \(seed): \(result)")
  }
}
