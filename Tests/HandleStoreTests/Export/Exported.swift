import Foundation
import Glibc
import HandleStore
import SystemPackage
import TestSupport
import Testing

/// A filesystem with an export in it, and files inside and outside.
///
/// ```
/// inside/file  inside/directory/below/two  inside/directory/one  inside/linked  …
/// outside/file  outside/linked (a hard link)
/// ```
final class Exported {
  let volume: Volume
  let test: TestStore
  private var opened: Export?
  var export: Export {
    guard let opened else { preconditionFailure("the export was let go") }
    return opened
  }
  let filesystem: FilesystemID
  var store: Store { test.store }
  var inside: FilePath { volume.path.appending("inside") }
  var outside: FilePath { volume.path.appending("outside") }

  init(
    _ kind: VolumeKind, _ containment: Containment? = nil, isReadOnly: Bool = false,
    keepsParents: Bool = false
  ) throws {
    volume = try Volume(kind, keepsParents: keepsParents)
    for name in ["inside", "outside"] { try makeDirectory(volume.path.appending(name)) }
    try makeTree(in: volume.path.appending("inside"))
    try TestSupport.write("outside", to: volume.path.appending("outside/file"))
    try TestSupport.write("linked", to: volume.path.appending("inside/linked"))
    try link(
      volume.path.appending("inside/linked"), to: volume.path.appending("outside/linked"))
    let test = try TestStore()
    self.test = test
    filesystem = try test.store.attach(volume.path)
    opened = try withDirectory(volume.path.appending("inside")) { root in
      try Self.asItsUser(containment) {
        try test.store.addExport(
          "tree", roots: [root], isReadOnly: isReadOnly, containment: containment)
      }
    }
  }

  /// Who walks is one who may not mount.
  private static func asItsUser(
    _ containment: Containment?, _ body: () throws -> Export
  ) throws -> Export {
    try containment == .walk ? withoutAdmin(body) : body()
  }

  /// Lets go of the export, so that its filesystem can be unmounted.
  func letGo() { opened = nil }

  /// The token of a path below the export's root, looked up name by name.
  func token(_ path: String) throws -> Token { try #require(try entry(path)).token }

  func entry(_ path: String) throws -> ExportEntry? {
    var entry = try export.lookup(.node(.root))
    for name in path.split(separator: "/") {
      guard let next = try export.lookup(FilePath(String(name)), in: .token(entry.token)) else {
        return nil
      }
      entry = next
    }
    return entry
  }

  /// A token with a right signature for any file of the filesystem.
  func token(outside name: String) throws -> Token {
    let node = try store.register(name, in: volume.path, on: filesystem).node
    return try export.token(for: node)
  }
}

extension Export {
  /// The status of a token's file, if it passes.
  func status(_ token: Token) throws -> FileStatus {
    let file = try open(.token(token), as: .path)
    return try file.closeAfter { try FileStatus(of: file) }
  }

  /// What is in a token's file.
  func contents(_ token: Token) throws -> String {
    let descriptor = try open(.token(token), as: .readOnly)
    return try descriptor.closeAfter { try readAll(descriptor) }
  }
}

/// Makes the kernel forget names and inodes that nobody uses.
func dropCaches() throws { try TestSupport.write("2", to: "/proc/sys/vm/drop_caches") }

func makeDirectory(_ path: FilePath) throws {
  try FileManager.default.createDirectory(
    atPath: path.string, withIntermediateDirectories: true)
}

/// An export's filesystem and how it is kept.
struct Kept: CustomTestStringConvertible, Sendable {
  let kind: VolumeKind
  let containment: Containment

  static let all = VolumeKind.allCases.flatMap { kind in
    [Containment.kernel, .walk, .cached].map { Kept(kind: kind, containment: $0) }
  }.filter { $0.kind != .overlay || $0.containment != .cached }

  var testDescription: String { "\(kind), \(containment)" }

  func make() throws -> Exported { try Exported(kind, containment) }
}

func refused(_ refusal: GateRefusal) -> StoreError { .refused(refusal) }
