import Foundation
import SystemPackage
import TestSupport

/// Results that `handlebench` wrote once, to show and to compare.
enum BenchResults {
  static let directory = FilePath(#filePath).removingLastComponent().removingLastComponent()
    .appending("Report")

  static func path(_ name: String) -> String { directory.appending("results/\(name).json").string }

  static let all = ["run-10000", "run-100000", "fs", "shared"].map(path)

  /// Returns a result as a tree.
  static func read(_ path: String) throws -> [String: Any] {
    let value = try JSONSerialization.jsonObject(
      with: Data(contentsOf: URL(fileURLWithPath: path)))
    return try value as? [String: Any] ?? { throw CocoaError(.fileReadCorruptFile) }()
  }

  /// Writes a changed copy of a result, and returns its path.
  static func changed(
    _ name: String, in directory: TemporaryDirectory, as copy: String = "changed.json",
    _ change: (inout [String: Any]) -> Void
  ) throws -> String {
    var tree = try read(path(name))
    change(&tree)
    let file = directory.appending(copy).string
    try JSONSerialization.data(withJSONObject: tree).write(to: URL(fileURLWithPath: file))
    return file
  }

  /// Changes the first workload of a result.
  static func changeFirstWorkload(
    _ tree: inout [String: Any], _ change: (inout [String: Any]) -> Void
  ) {
    var workloads = tree["workloads"] as? [[String: Any]] ?? []
    change(&workloads[0])
    tree["workloads"] = workloads
  }

  /// Gives the first two contenders of the first workload other values.
  static func setRounds(_ tree: inout [String: Any], _ ours: [Double], _ theirs: [Double]) {
    changeFirstWorkload(&tree) { workload in
      var contenders = workload["contenders"] as? [[String: Any]] ?? []
      contenders[0]["rounds"] = ours
      contenders[1]["rounds"] = theirs
      workload["contenders"] = contenders
    }
  }
}
