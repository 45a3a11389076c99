import HandleStore
import SystemPackage
import TestSupport
import Testing

/// All ways to keep files in an export give the same answers, whatever is mounted in it or over it.
@Suite(.mounts) struct AgreementTests {
  @Test(arguments: VolumeKind.allCases) func mountsChangeNothing(_ kind: VolumeKind) throws {
    let place = try Agreement(kind)
    try place.addExports()
    try place.expect("nothing mounted")
    var mounts: [Mount] = []
    defer { while let mount = mounts.popLast() { try? mount.unmount() } }
    for name in ["inside/directory/below", "inside/directory", "inside", "inside"] {
      let point = place.exported.volume.path.pushing(FilePath(name))
      mounts.append(try Mount(["--bind", place.exported.outside.string], at: point))
      try place.expect("mounted on \(name)")
    }
    try dropCaches()
    try place.expect("the caches dropped")
    try place.openExports()
    try place.expect("opened again")
  }
}

/// Of several names, the kernel tells the one that was used last, which is outside.
extension AgreementTests {
  @Test(arguments: [VolumeKind.ext4, .xfs, .btrfs, .tmpfs]) func anotherNameIsInside(
    _ kind: VolumeKind
  ) throws {
    let place = try Agreement(kind)
    try place.addExports()
    let (inside, outside) = (place.exported.inside, place.exported.outside)
    // Its name on record is gone, and the one inside is known to the kernel.
    try link(inside.appending("file"), to: outside.appending("name"))
    try rename(inside.appending("file"), to: inside.appending("directory/file"))
    for path in [inside.appending("directory/file"), outside.appending("name")] {
      #expect(try read(path) == "contents of file")
      try place.expectInside("file", "read \(path.lastComponent?.string ?? "")")
    }
  }
}

/// A tree that is exported by each way.
private final class Agreement {
  /// What is in the tree, and in which directory.
  private static let inside = [
    "": "", "file": "", "linked": "", "symlink": "", "directory": "", "directory/one": "directory",
    "directory/below": "directory", "directory/below/two": "directory/below",
    "directory/below/deeper": "directory/below",
    "directory/below/deeper/three": "directory/below/deeper",
  ]
  private static let outside = ["", "outside", "outside/file", "outside/below"]

  let exported: Exported
  private let ways: [Containment: String]
  private var exports: [String: Export] = [:]
  private var nodes: [String: NodeID] = [:]
  private var inodes: [String: UInt64] = [:]
  private var strangers: [NodeID] = []

  init(_ kind: VolumeKind) throws {
    exported = try Exported(kind)
    ways = [.kernel: "kernel", .walk: "walk"].merging(
      kind == .overlay ? [:] : [.cached: "cached"]
    ) { $1 }
    let deeper = exported.inside.appending("directory/below/deeper")
    try makeDirectory(deeper)
    try TestSupport.write("three", to: deeper.appending("three"))
    // What is mounted has directories of the same names.
    try makeDirectory(exported.outside.appending("below/deeper"))
    for name in Self.inside.keys {
      let entry = try #require(try exported.entry(name))
      (nodes[name], inodes[name]) = (entry.node, entry.status.inode)
    }
    for name in Self.outside {
      let path = name.isEmpty ? "." : name
      strangers.append(
        try exported.store.register(path, in: exported.volume.path, on: exported.filesystem).node)
    }
  }

  func addExports() throws {
    try withDirectory(exported.inside) { root in
      for (containment, name) in ways {
        exports[name] = try exported.store.addExport(
          name, roots: [root], containment: containment)
      }
      exports["plain"] = try withoutAdmin {
        try exported.store.addExport("plain", roots: [root], containment: .walk)
      }
    }
  }

  func openExports() throws {
    for name in ways.values { exports[name] = try exported.store.openExport(name) }
    exports["plain"] = try withoutAdmin { try exported.store.openExport("plain") }
  }

  /// That a file passes. A walk without `CAP_SYS_ADMIN` cannot ask the kernel for another name.
  func expectInside(_ name: String, _ state: Comment) throws {
    for (way, export) in exports where way != "plain" {
      let token = try export.token(for: #require(nodes[name]))
      let found = Result { try export.status(token).inode }
      #expect((try? found.get()) == inodes[name], "\(way), \(state): \(found)")
    }
  }

  /// That each file inside passes, that the directory above is found, and that nothing else passes.
  func expect(_ state: Comment) throws {
    for (way, export) in exports {
      for (name, directory) in Self.inside {
        let token = try export.token(for: #require(nodes[name]))
        let found = Result { try export.status(token).inode }
        let above = Result { try export.lookup("..", in: .token(token))?.node }
        #expect((try? found.get()) == inodes[name], "\(way), \(state), \(name): \(found)")
        #expect((try? above.get()) == nodes[directory], "\(way), \(state), \(name): \(above)")
      }
      for stranger in strangers {
        let token = try export.token(for: stranger)
        #expect(throws: refused(.outside), "\(way), \(state)") { try export.status(token) }
      }
    }
  }
}
