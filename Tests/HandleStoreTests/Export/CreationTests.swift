import Foundation
import HandleStore
import SystemPackage
import TestSupport
import Testing

/// Looking up or creating, opening and registering in one call.
@Suite(.mounts) struct CreationTests {
  @Test(arguments: VolumeKind.allCases) func saysWhetherItCreatedTheFile(_ kind: VolumeKind) throws
  {
    let exported = try Exported(kind)
    let export = exported.export
    let first = try export.createOrOpen(
      "new", in: .node(.root), as: .readWrite, permissions: 0o640)
    #expect(first.wasCreated && first.registration.outcome == .created)
    let new = try #require(first.descriptor)
    try new.closeAfter { _ = try new.writeAll("text".utf8) }
    let second = try export.createOrOpen(
      "new", in: .node(.root), as: .readOnly, permissions: 0o600)
    #expect(!second.wasCreated && second.node == first.node)
    #expect(second.status.mode & 0o777 == 0o640 && second.handle == first.handle)
    let again = try #require(second.descriptor)
    #expect(try again.closeAfter { try readAll(again) } == "text")
    let found = try #require(try export.lookup("new", in: .node(.root)))
    #expect(found.token == first.token && found.descriptor == nil && !found.wasCreated)

    // What is there and is not to be opened stays as it is.
    for (name, refusal) in [
      ("fifo", StoreError.Kind.type), ("symlink", .type), ("directory", .directory),
    ] {
      do {
        _ = try export.createOrOpen(
          FilePath(name), in: .node(.root), as: .readWrite, permissions: 0o600)
        Issue.record("\(name) was opened")
      } catch {
        #expect(error.kind == refusal, "\(name): \(error)")
      }
    }
    for name in [".", "..", "a/b", ""] as [FilePath] {
      #expect(throws: StoreError.badName(name)) {
        try export.createOrOpen(name, in: .node(.root), as: .readOnly, permissions: 0o600)
      }
    }
    // In a directory that went out, nothing is created.
    let parent = try exported.token("directory")
    try TestSupport.rename(
      exported.inside.appending("directory"), to: exported.outside.appending("directory"))
    #expect(throws: refused(.outside)) {
      try export.createOrOpen("new", in: .token(parent), as: .readOnly, permissions: 0o600)
    }
    #expect(
      !FileManager.default.fileExists(
        atPath: exported.outside.appending("directory/new").string))
  }

  @Test(arguments: VolumeKind.allCases, [false, true])
  func ofManyProcessesExactlyOneCreates(_ kind: VolumeKind, _ vanish: Bool) throws {
    let (volume, directory) = (try Volume(kind), try TemporaryDirectory())
    let tree = volume.path.appending("tree")
    try makeDirectory(tree)
    let files = 100 * soak
    let workers = try (0..<8).map {
      try Child(
        "storeworker",
        [
          "create", directory.appending("store-\($0)").string, tree.string, "\(files)",
          vanish ? "1" : "0",
        ])
    }
    for worker in workers { #expect(worker.line() == "ready") }
    for worker in workers { worker.send("go") }
    let lines = workers.flatMap { $0.rest().split(separator: "\n") }
    #expect(lines.filter { $0 == "done" }.count == 8, "\(lines.filter { $0.hasPrefix("error") })")
    let created = lines.filter { $0.hasPrefix("created") }
    if vanish {
      // Somebody created each, at least once, and what was created was removed.
      #expect(Set(created.map { $0.split(separator: " ")[1] }).count == files)
      #expect(try FileManager.default.contentsOfDirectory(atPath: tree.string).isEmpty)
    } else {
      #expect(created.count == files)
      #expect(Set(created).count == files)
    }
  }
}

extension StoreError {
  /// What a file could not be opened for.
  enum Kind { case type, directory, other }

  var kind: Kind {
    switch self {
    case .notOpenableHandle: .type
    case .system(.isDirectory, _): .directory
    default: .other
    }
  }
}
