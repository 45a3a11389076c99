import Foundation
import TestSupport

/// The cluster of Scripts/cluster in which this process runs.
struct Cluster {
  let script: String
  let database: String
  /// Whether a promotion may lose what was acknowledged, because no standby is synchronous.
  let mayLose: Bool
  static let servers = ["db1", "db2", "db3"]
  static let gateways = ["gateway1", "gateway2", "gateway3"]

  init(script: String) throws {
    let environment = ProcessInfo.processInfo.environment
    guard let database = environment["DATABASE"] else {
      throw CommandFailure(description: "no cluster; use Scripts/cluster run")
    }
    (self.script, self.database) = (script, database)
    mayLose = environment["SYNCHRONOUS"] == "false"
  }

  /// Runs one of the script's commands; returns what it printed. It does not wait for what the command
  /// has started.
  @discardableResult
  func callAsFunction(_ arguments: String...) throws -> String {
    let child = try Child([script] + arguments)
    let output = child.rest().trimmingCharacters(in: .whitespacesAndNewlines)
    let status = child.wait()
    guard status == 0 else {
      throw CommandFailure(
        description: "cluster \(arguments.joined(separator: " ")) ended with \(status): \(output)")
    }
    return output
  }

  /// The node whose server takes writes; waits until there is one.
  var primary: String {
    get throws {
      for _ in 0..<200 {
        if let found = try? self("primary") { return found }
        usleep(100_000)
      }
      throw CommandFailure(description: "no server takes writes")
    }
  }

  /// Starts a process on a node. It has this process id, because the script does not stay.
  func start(_ command: [String], on node: String) throws -> Child {
    try Child([script, "on", node] + command)
  }
}
