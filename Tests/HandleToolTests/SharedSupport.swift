import Foundation
import SystemPackage
import TestSupport
import Testing

extension Trait where Self == ConditionTrait {
  /// The test starts a database server.
  static var server: Self {
    .enabled(if: DatabaseServer.isInstalled, "PostgreSQL 15 is not installed")
  }
}

func inodeNumber(of path: FilePath) throws -> UInt64 {
  let found = try FileManager.default.attributesOfItem(atPath: path.string)[.systemFileNumber]
  return try #require(found as? NSNumber).uint64Value
}

/// What `shared status` prints in JSON.
struct Status {
  let object: JSONObject
  var gateways: [[String: Any]] { object.members["gateways"] as? [[String: Any]] ?? [] }

  init(of database: String) throws {
    object = try figures(output(of: "shared", "status", database, "--format", "json"))
  }
}
