import Foundation
import HandleStore
import SystemPackage
import TestSupport
import Testing

/// An export of an upper and a lower layer, each on its filesystem.
private final class Layered {
  let lower: Volume
  let upper: Volume
  let test = try? TestStore()
  var export: Export?
  let lowerID: FilesystemID
  let upperID: FilesystemID
  var store: Store {
    get throws { try #require(test).store }
  }

  init(lower: VolumeKind, upper: VolumeKind) throws {
    (self.lower, self.upper) = (try Volume(lower), try Volume(upper))
    let store = try #require(test).store
    for volume in [self.lower, self.upper] {
      try makeDirectory(volume.path.appending("tree/directory"))
      try makeDirectory(volume.path.appending("outside"))
    }
    try TestSupport.write("lower", to: self.lower.path.appending("tree/a"))
    (lowerID, upperID) = (
      try store.attach(self.lower.path), try store.attach(self.upper.path)
    )
    let roots = try [self.upper, self.lower].map {
      try FileDescriptor.open($0.path.appending("tree"), .readOnly, options: .directory)
    }
    defer { roots.forEach { try? $0.close() } }
    export = try store.addExport("union", roots: roots)
  }

  /// The node of a file of the lower layer, as a server of a union registers it.
  func lowerNode(_ name: String) throws -> NodeID {
    try store.register("tree/\(name)", in: lower.path, on: lowerID).node
  }

  /// The filesystem on which a token's file has its node.
  func filesystem(of token: Token) throws -> FilesystemID? {
    let file = try #require(export).open(.token(token), as: .path)
    let handle = try file.closeAfter { try KernelFileHandle(of: file) }
    return try [lowerID, upperID].first { try store.node(of: handle, on: $0) != nil }
  }

  /// Copies a file up as overlayfs does, and tells the store.
  func copyUp(_ node: NodeID, _ name: String) throws -> Registration {
    let path = upper.path.appending("tree").appending(name)
    try TestSupport.write(
      TestSupport.read(lower.path.appending("tree/\(name)")) + " copied", to: path)
    var file = try NamedFile("tree/\(name)", in: upper.path).found
    file.parent = try store.register("tree", in: upper.path, on: upperID).node
    return try store.copyUp(node, to: file, on: upperID)
  }

  func restart() throws {
    export = nil
    try #require(test).reopen()
    export = try store.openExport("union")
  }

  func requireSound() throws {
    try succeed(Commands.handlestore, "check", #require(test).path.string)
  }
}

/// Copying up: a node keeps its number and its tokens when its file goes to another layer.
@Suite(.mounts) struct LayerTests {
  private static let pairs: [(VolumeKind, VolumeKind)] = [
    (.ext4, .xfs), (.xfs, .ext4), (.btrfs, .tmpfs), (.tmpfs, .btrfs), (.overlay, .ext4),
    (.ext4, .overlay),
  ]

  @Test(arguments: pairs) func tokensFindTheCopy(_ lower: VolumeKind, _ upper: VolumeKind) throws {
    let layered = try Layered(lower: lower, upper: upper)
    let node = try layered.lowerNode("a")
    let export = try #require(layered.export)
    let tokens = [try export.token(for: node), try export.token(for: node, form: .reference)]
    for token in tokens {
      #expect(try layered.filesystem(of: token) == layered.lowerID)
      #expect(try export.contents(token) == "lower")
    }
    let registered = try layered.copyUp(node, "a")
    #expect(registered.node == node && registered.outcome == .existing)
    try layered.requireSound()
    #expect(try layered.store.aliases(of: node).map(\.filesystem) == [layered.lowerID])

    func check(_ export: Export) throws {
      for token in tokens + [try export.token(for: node)] {
        #expect(try layered.filesystem(of: token) == layered.upperID)
        #expect(try export.contents(token) == "lower copied")
        #expect(try export.lookup(.token(token)).node == node)
      }
      // Either file is this node.
      #expect(try layered.lowerNode("a") == node)
      let copy = try layered.store.everyNode(in: .live).filter { $0.id == node }
      #expect(copy.map(\.filesystem) == [layered.upperID])
    }
    try check(export)
    try TestSupport.rename(
      layered.upper.path.appending("tree/a"), to: layered.upper.path.appending("tree/directory/b"))
    try check(export)
    try layered.restart()
    try check(#require(layered.export))
    // A second copying up of the same changes nothing.
    let file = try NamedFile("tree/directory/b", in: layered.upper.path)
    let again = try layered.store.copyUp(
      node, to: file.handle, status: file.status, on: layered.upperID)
    #expect(again.outcome == .existing)
    #expect(try layered.store.aliases(of: node).count == 1)
    try layered.requireSound()
  }

  @Test func linkedRemovedRestartedAndStillThere() throws {
    let layered = try Layered(lower: .ext4, upper: .xfs)
    let node = try layered.lowerNode("a")
    let token = try #require(layered.export).token(for: node)
    _ = try layered.copyUp(node, "a")
    let tree = layered.upper.path.appending("tree")
    try link(tree.appending("a"), to: tree.appending("b"))
    try unlink(tree.appending("a"))
    try layered.restart()
    let export = try #require(layered.export)
    #expect(try export.contents(token) == "lower copied")
    try unlink(tree.appending("b"))
    #expect(throws: refused(.stale)) { try export.contents(token) }
    #expect(try layered.store.node(node)?.state == .stale)
    #expect(throws: refused(.stale)) { try export.contents(token) }
    try layered.requireSound()
    // The lower file is another one now: whoever comes upon it gets a new node.
    let lower = try layered.store.register("tree/a", in: layered.lower.path, on: layered.lowerID)
    #expect(lower.node > node && lower.outcome == .created)
    try layered.requireSound()
    #expect(try layered.store.evict(stale: .seconds(0)) == 1)
    try layered.requireSound()
  }

  @Test func eachHandleIsUnderTheRootOfItsLayer() throws {
    let layered = try Layered(lower: .ext4, upper: .xfs)
    let export = try #require(layered.export)
    let node = try layered.lowerNode("a")
    let token = try export.token(for: node)
    try TestSupport.rename(
      layered.lower.path.appending("tree/a"), to: layered.lower.path.appending("outside/a"))
    #expect(throws: refused(.outside)) { try export.contents(token) }
    try TestSupport.rename(
      layered.lower.path.appending("outside/a"), to: layered.lower.path.appending("tree/a"))
    _ = try layered.copyUp(node, "a")
    try TestSupport.rename(
      layered.upper.path.appending("tree/a"), to: layered.upper.path.appending("outside/a"))
    #expect(throws: refused(.outside)) { try export.contents(token) }
  }

  @Test func aCopyThatWasRegisteredFirstIsReplaced() throws {
    let layered = try Layered(lower: .ext4, upper: .btrfs)
    let node = try layered.lowerNode("a")
    try TestSupport.write("early", to: layered.upper.path.appending("tree/a"))
    let early = try layered.store.register("tree/a", in: layered.upper.path, on: layered.upperID)
    let done = try layered.copyUp(node, "a")
    #expect(done.node == node && done.outcome == .replaced(early.node))
    #expect(try layered.store.node(early.node)?.state == .stale)
    let again = try layered.store.register("tree/a", in: layered.upper.path, on: layered.upperID)
    #expect(again.node == node && again.outcome == .existing)
    try layered.requireSound()
  }

  /// Whoever finds the lower file gone just after the node was given the upper one does not retire it.
  @Test func aCopyUpBesideDecoding() throws {
    let layered = try Layered(lower: .ext4, upper: .xfs)
    let (export, store) = (try #require(layered.export), try layered.store)
    let rounds = 300 * soak
    var tokens: [(NodeID, Token)] = []
    for round in 0..<rounds {
      try TestSupport.write("lower", to: layered.lower.path.appending("tree/\(round)"))
      let node = try layered.lowerNode("\(round)")
      tokens.append((node, try export.token(for: node)))
    }
    let asked = tokens
    let decoders = Thread {
      for (node, token) in asked {
        for _ in 0..<20 {
          _ = try? export.open(.token(token), as: .path).close()
          _ = try? store.open(node).close()
        }
      }
    }
    decoders.start()
    for (round, (node, _)) in tokens.enumerated() {
      _ = try layered.copyUp(node, "\(round)")
      try unlink(layered.lower.path.appending("tree/\(round)"))
    }
    while !decoders.isFinished { usleep(1000) }
    for (node, token) in tokens {
      #expect(try store.node(node)?.state == .live)
      #expect(try export.contents(token) == "lower copied")
    }
    try layered.requireSound()
  }

  @Test func aLowerFileThatWasCopiedUpIsAnsweredByItsCopy() throws {
    let layered = try Layered(lower: .ext4, upper: .xfs)
    let export = try #require(layered.export)
    let lowerRoot = try layered.store.register("tree", in: layered.lower.path, on: layered.lowerID)
    let before = try #require(try export.lookup("a", in: .node(lowerRoot.node)))
    _ = try layered.copyUp(before.node, "a")
    let after = try #require(try export.lookup("a", in: .node(lowerRoot.node)))
    #expect(after.node == before.node)
    #expect(after.status.size == UInt64("lower copied".utf8.count))
    let opened = try export.createOrOpen(
      "a", in: .node(lowerRoot.node), as: .readOnly, permissions: 0o600)
    let copy = try #require(opened.descriptor)
    #expect(try copy.closeAfter { try readAll(copy) } == "lower copied")
  }

  /// The copy may be on the same filesystem. An old token of it does not lead to the original, and
  /// when the original goes, the node stays.
  @Test(arguments: [VolumeKind.ext4, .btrfs]) func aCopyOnTheSameFilesystem(
    _ kind: VolumeKind
  ) throws {
    let exported = try Exported(kind)
    let (export, store) = (exported.export, exported.store)
    let before = try #require(try exported.entry("directory/one"))
    let parent = try #require(try exported.entry("directory"))
    try TestSupport.write("copied", to: exported.inside.appending("copy"))
    let copy = try NamedFile("copy", in: exported.inside)
    try store.copyUp(
      before.node, to: copy.handle, status: copy.status, on: exported.filesystem)
    #expect(try export.contents(before.token) == "copied")
    let after = try #require(try export.lookup("one", in: .token(parent.token)))
    #expect(after.node == before.node)
    #expect(after.status.inode == copy.status.inode && after.handle == copy.handle)
    let opened = try export.createOrOpen(
      "one", in: .token(parent.token), as: .readOnly, permissions: 0o600)
    let descriptor = try #require(opened.descriptor)
    #expect(try descriptor.closeAfter { try readAll(descriptor) } == "copied")
    try unlink(exported.inside.appending("directory/one"))
    #expect(try export.contents(before.token) == "copied")
    #expect(try store.node(before.node)?.state == .live)
  }

  @Test func onlyALiveNodeOfTheSameTypeIsCopiedUp() throws {
    let layered = try Layered(lower: .ext4, upper: .xfs)
    let store = try layered.store
    let node = try layered.lowerNode("a")
    let directory = try NamedFile("tree/directory", in: layered.upper.path)
    func copyUp(_ node: NodeID) throws {
      try store.copyUp(
        node, to: directory.handle, status: directory.status, on: layered.upperID)
    }
    #expect { try copyUp(node) } throws: {
      if case .badValue? = $0 as? StoreError { true } else { false }
    }
    #expect(throws: StoreError.unknownNode(NodeID(rawValue: 999))) {
      try copyUp(NodeID(rawValue: 999))
    }
    try store.retire(node)
    #expect(throws: StoreError.stale(node)) { try copyUp(node) }
    #expect(try store.aliases(of: node).isEmpty)
    try layered.requireSound()
  }

  @Test func aRepairKeepsAliases() throws {
    let layered = try Layered(lower: .ext4, upper: .xfs)
    let node = try layered.lowerNode("a")
    let token = try #require(layered.export).token(for: node)
    _ = try layered.copyUp(node, "a")
    let test = try #require(layered.test)
    layered.export = nil
    try test.store.close()
    _ = try Store.repair(at: test.path)
    try layered.restart()
    try layered.requireSound()
    #expect(try #require(layered.export).contents(token) == "lower copied")
    #expect(try layered.lowerNode("a") == node)
  }

  @Test func layersAreOnFilesystemsOfTheirOwn() throws {
    let exported = try Exported(.ext4)
    let roots = try [exported.inside, exported.outside].map {
      try FileDescriptor.open($0, .readOnly, options: .directory)
    }
    defer { roots.forEach { try? $0.close() } }
    #expect(throws: StoreError.badExport("each of its roots must be on a different filesystem")) {
      try exported.store.addExport("two", roots: roots)
    }
    #expect(throws: StoreError.badExport("it must have 1 to 16 roots")) {
      try exported.store.addExport("none", roots: [])
    }
  }
}
