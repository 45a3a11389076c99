import Foundation
import HandleStore
import SystemPackage
import TestSupport
import Testing

extension Trait where Self == ConditionTrait {
  /// The test mounts filesystems or opens handles; in CI it fails if it may not.
  static var opensHandles: Self { .enabled(if: mayMount, "opening handles needs root") }
}

/// Runs the command to its end.
func handlestore(_ arguments: String...) throws -> CommandResult {
  try run([Commands.handlestore] + arguments)
}

/// Runs the command, which must end well; returns what it printed.
@discardableResult
func output(of arguments: String...) throws -> String {
  let result = try run([Commands.handlestore] + arguments)
  #expect(result.status == 0, "\(arguments): \(result.errors)")
  #expect(result.errors == "")
  return result.output
}

/// A small tree with a file of each type, and room for a store.
struct Workplace {
  let directory: TemporaryDirectory
  /// How many files the tree has, with the one that it is itself.
  static let files = 30

  init() throws {
    directory = try TemporaryDirectory()
    try FileManager.default.createDirectory(atPath: tree, withIntermediateDirectories: true)
    try makeTree(in: FilePath(tree))
  }

  /// With the tree registered.
  static func indexed() throws -> Workplace {
    let place = try Workplace()
    try HandleToolTests.output(of: "index", place.store, place.tree)
    return place
  }

  var tree: String { directory.appending("tree").string }
  var store: String { directory.appending("store").string }
  func path(_ name: String) -> FilePath { FilePath(tree).appending(name) }

  /// The nodes as `dump` prints them in JSON.
  func nodes(_ options: String...) throws -> [JSONObject] {
    let result = try run([Commands.handlestore, "dump", store, "--format", "json"] + options)
    #expect(result.status == 0, "\(result.errors)")
    return try objects(result.output)
  }

  /// The id of the node of a file of the tree.
  func node(_ name: String) throws -> String {
    let inode = try FileManager.default.attributesOfItem(atPath: path(name).string)[
      .systemFileNumber]
    let found = try nodes().first { $0.number("inode") == (inode as? NSNumber)?.uint64Value }
    return String(try #require(found?.number("node")))
  }
}

/// An object of JSON.
struct JSONObject {
  let members: [String: Any]

  func number(_ name: String) -> UInt64? { (members[name] as? NSNumber)?.uint64Value }
  func string(_ name: String) -> String? { members[name] as? String }
  func strings(_ name: String) -> [String]? { members[name] as? [String] }
  func flag(_ name: String) -> Bool? { members[name] as? Bool }
  func isNull(_ name: String) -> Bool { members[name] is NSNull }
}

/// The objects that stand on the lines of a text.
func objects(_ text: String) throws -> [JSONObject] {
  try text.split(separator: "\n").map { line in
    let value = try JSONSerialization.jsonObject(with: Data(line.utf8))
    return JSONObject(members: try #require(value as? [String: Any]))
  }
}

/// The figures that a command prints with `--json`.
func figures(_ text: String) throws -> JSONObject { try #require(try objects(text).last) }
