import Foundation
import HandleStore
import SystemPackage
import TestSupport
import Testing

/// A filesystem with a directory that is exported and one that is not, and room for stores.
///
/// ```
/// inside/file  inside/directory/one  inside/symlink  …   (makeTree)
/// outside/
/// ```
final class ExportedDirectory {
  let volume: Volume
  private let directory: TemporaryDirectory

  init(_ kind: VolumeKind = .ext4) throws {
    volume = try Volume(kind, megabytes: kind == .ext4 ? 8 : nil)
    directory = try TemporaryDirectory()
    for path in [inside, outside] {
      try FileManager.default.createDirectory(
        atPath: path.string, withIntermediateDirectories: true)
    }
    try makeTree(in: inside)
  }

  /// With the export `tree` in the store.
  static func added() throws -> ExportedDirectory {
    let place = try ExportedDirectory()
    try output(of: "export", "add", place.store, "tree", place.inside.string)
    return place
  }

  var inside: FilePath { volume.path.appending("inside") }
  var outside: FilePath { volume.path.appending("outside") }
  var store: String { directory.appending("store").string }
  /// A second store.
  var other: String { directory.appending("other").string }

  /// The token of a file, as `token` prints it.
  func token(_ path: String, _ options: String..., export: String = "tree") throws -> String {
    let text = try succeed([Commands.handlestore, "token", store, export, path] + options)
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines.count == 2 && lines[1].isEmpty, "one line and nothing else: \(text)")
    #expect(lines[0].allSatisfy { $0.isHexDigit && !$0.isUppercase })
    return String(lines[0])
  }

  /// What `decode` says of a token that passes.
  func decoded(_ token: String, export: String = "tree") throws -> JSONObject {
    try figures(output(of: "decode", store, export, token, "--json"))
  }

  /// Expects that the gate refuses a token by one check, and that it is told in both forms.
  func expectRefusal(
    _ refusal: GateRefusal, _ token: String, export: String = "tree", in store: String? = nil,
    _ location: SourceLocation = #_sourceLocation
  ) throws {
    let store = store ?? self.store
    let text = try handlestore("decode", store, export, token)
    #expect(text.status == 1, sourceLocation: location)
    #expect(text.output == "", sourceLocation: location)
    #expect(
      text.errors == "handlestore: refused (\(refusal.name)): \(refusal)\n",
      sourceLocation: location)
    let json = try handlestore("decode", store, export, token, "--json")
    #expect(json.status == 1, sourceLocation: location)
    #expect(try figures(json.output).string("refused") == refusal.name, sourceLocation: location)
  }
}
