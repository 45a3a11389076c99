import Foundation
import TestSupport
import Testing

extension Trait where Self == ConditionTrait {
  /// The tests start a cluster in network namespaces. In CI they run, and fail, if something is missing.
  static var cluster: Self {
    let tried = try? run("sh", "-c", "command -v patroni ip && unshare --net true")
    return .enabled(
      if: isContinuousIntegration || (mayMount && tried?.status == 0),
      "needs root, network namespaces and Patroni (Scripts/packages)")
  }
}

/// Gateways of a store in a PostgreSQL cluster that fails over by itself, with faults of all of them:
/// nothing that was acknowledged is lost, no id is given to two files, and no file has two nodes.
@Suite(.cluster) struct ClusterTests {
  private static let scripts = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("../../Scripts").standardizedFileURL
  private static let script = scripts.appendingPathComponent("cluster").path

  /// Runs a campaign; returns its exit status and what it printed. `run` would block SIGCHLD, for which
  /// the script's shell waits.
  private func campaign(
    isSynchronous: Bool = true, _ faults: String...
  ) throws -> (CInt, String) {
    let child = try Child(
      [
        "env", "SYNCHRONOUS=\(isSynchronous)", Self.script, "run", product("clustercampaign"),
        Self.script,
      ]
        + faults)
    var output = ""
    while let line = child.line(seconds: 300) { output += line + "\n" }
    return (child.wait(), output)
  }

  /// A campaign of ten times as many faults has each of them.
  @Test func nothingIsLost() throws {
    let seed = "\(seed(usually: 11))"
    let result =
      soak == 1
      ? try campaign("4", seed, "killGateway", "unplugGateway", "killPrimary", "isolatePrimary")
      : try campaign("\(20 * soak)", seed)
    #expect(result.0 == 0, "seed \(seed): \(result.1)")
  }

  /// If no standby is synchronous, a promotion loses the newest nodes. Their ids are never used again.
  @Test func idsOfLostNodes() throws {
    let seed = "\(seed(usually: 12))"
    let result = try campaign(
      isSynchronous: false, "\(soak == 1 ? 1 : 4 * soak)", seed, "isolatePrimary", "unplugPrimary")
    #expect(result.0 == 0, "seed \(seed): \(result.1)")
  }
}
