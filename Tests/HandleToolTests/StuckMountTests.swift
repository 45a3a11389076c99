import Foundation
import Glibc
import SystemPackage
import TestSupport
import Testing

/// A FUSE filesystem whose server answers nothing, mounted anywhere, holds nobody up.
@Suite(.opensHandles) struct StuckMountTests {
  /// Beside the tree, over a directory of it, and on the way to another filesystem of the same kind.
  @Test(arguments: Place.allCases) func commandsDoNotWait(_ where: Place) throws {
    let (volume, directory) = (try Volume(.ext4, megabytes: 8), try TemporaryDirectory())
    let tree = volume.path.appending("tree")
    try FileManager.default.createDirectory(
      atPath: tree.string, withIntermediateDirectories: true)
    try makeTree(in: tree)
    let store = directory.appending("store").string
    try output(of: "export", "add", store, "tree", tree.string)
    try output(of: "index", store, tree.string)
    let nodes = try objects(output(of: "dump", store, "--format", "json"))
    let stuck = try StuckMount(`where`, volume, directory)
    var commands = [
      ["verify", store], ["stat", store], ["export", "list", store], ["probe", tree.string],
      ["token", store, "tree", "file"],
      ["index", directory.appending("other").string, volume.path.appending("lost+found").string],
    ]
    let directories = nodes.filter { $0.string("type") == "directory" }
    for node in directories + nodes.filter({ $0.string("type") == "regular" }).prefix(3) {
      commands.append(["open", store, "\(try #require(node.number("node")))"])
    }
    for command in commands { expectNoWaiting(command) }
    withExtendedLifetime(stuck) {}
  }

  private func expectNoWaiting(_ command: [String]) {
    do {
      let child = try Child([Commands.handlestore] + command)
      #expect(child.wait(seconds: 20) != nil, "\(command.joined(separator: " ")) waits")
    } catch {
      Issue.record("\(command): \(error)")
    }
  }

  enum Place: String, CaseIterable {
    case beside
    case overADirectory
    case onTheWay
  }
}

/// The filesystem that is stuck, and what is mounted by way of it. Taken down with the value.
private final class StuckMount {
  private let server: Child
  private let point: FilePath
  private var inner: FilePath?
  private let other: Volume?

  init(
    _ place: StuckMountTests.Place, _ volume: Volume, _ directory: TemporaryDirectory
  ) throws {
    let beside = directory.appending("beside")
    try FileManager.default.createDirectory(
      atPath: beside.appending("inner").string, withIntermediateDirectories: true)
    point = place == .overADirectory ? volume.path.appending("tree/directory") : beside
    other = place == .onTheWay ? try Volume(.ext4, megabytes: 8) : nil
    if let other {
      // What is below a mount point stays mounted when that is mounted over: the way to it leads through
      // what is on top.
      let inner = beside.appending("inner")
      try succeed("mount", "--bind", other.path.string, inner.string)
      self.inner = inner
    }
    server = try Child("mountload", ["stuck", point.string])
    #expect(server.line(seconds: 20) == "mounted")
  }

  deinit {
    // Whoever waits goes on with an error.
    server.kill()
    umount2(point.string, Int32(MNT_DETACH))
    if let inner { umount2(inner.string, Int32(MNT_DETACH)) }
  }
}
