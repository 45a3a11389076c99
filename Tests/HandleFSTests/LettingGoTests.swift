import Foundation
import Glibc
import SystemPackage
import TestSupport
import Testing

/// Files that have no name any more are held for as long as somebody uses them, and not longer.
@Suite struct LettingGoTests {
  struct Each: CustomTestStringConvertible, Sendable {
    let kind: VolumeKind
    let passthrough: String
    var testDescription: String { "\(kind.rawValue), passthrough \(passthrough)" }
  }

  static let each = [
    Each(kind: .ext4, passthrough: "auto"), Each(kind: .xfs, passthrough: "off"),
    Each(kind: .btrfs, passthrough: "off"),
  ]

  /// However often the server was killed while the kernel asked for names, of which some are counted twice
  /// then, and told it what it has forgotten, of which some was lost.
  @Test(.mountsHandleFS, arguments: each)
  func afterKills(_ each: Each) throws {
    let mounted = try Mounted(each.kind, ["--passthrough", each.passthrough])
    let tree = mounted.source.appending("tree")
    try FileManager.default.createDirectory(
      atPath: tree.string, withIntermediateDirectories: true)
    try succeed(product("mountload"), "tree", tree.string, "30", "40")
    let through = mounted.mountpoint.appending("tree").string
    for command in [
      ["ls", "-lR", through], ["find", through, "-size", "1"], ["rm", "-r", through],
    ] {
      let user = try Child(["sh", "-c", #"exec "$@" >/dev/null"#, "sh"] + command)
      for _ in 0..<4 where user.wait(seconds: 0) == nil {
        usleep(.random(in: 30_000...90_000))
        try mounted.waitForNewServer(after: mounted.killServer())
      }
      #expect(user.wait(seconds: 60) == 0, "\(command)")
    }
    #expect(mounted.holdsNothingRemoved(seconds: 1.5))
    #expect(try mounted.status()["files_without_name"] == 0)
    #expect(try mounted.status()["opens"] == 0)
  }

  /// What is in use stays.
  @Test(.mountsHandleFS, arguments: each)
  func whatIsUsedStays(_ each: Each) throws {
    let mounted = try Mounted(each.kind, ["--passthrough", each.passthrough])
    let through = mounted.mountpoint
    let file = try mounted.hold("file", creating: "text")
    try write("path", to: mounted.source.appending("path"))
    let path = try mounted.hold("path", as: "path")
    #expect(try mounted.run(["mkdir", "\(through)/directory"]).status == 0)
    let directory = try mounted.hold("directory", as: "directory")
    #expect(try mounted.run(["rm", "-r", "\(through)/file", "\(through)/directory"]).status == 0)
    #expect(try mounted.run(["rm", "\(through)/path"]).status == 0)
    for round in 0..<2 {
      usleep(1_000_000)
      #expect(file.ask("read") == "has text")
      #expect(directory.ask("stat")?.hasPrefix("links 0, ") == true)
      if round == 0 {
        #expect(path.ask("stat") == "links 0, size 4")
        try mounted.waitForNewServer(after: mounted.killServer())
      }
    }
    for user in [file, path, directory] { user.kill() }
    #expect(mounted.holdsNothingRemoved(seconds: 1.5))
    #expect(try mounted.status()["files_without_name"] == 0)
  }

  /// A file that is removed behind the mount's back: its blocks are free and its handle is stale at once, but
  /// for one that is open, which goes on working.
  @Test(.mountsHandleFS, arguments: each)
  func removedBehindTheMount(_ each: Each) throws {
    let mounted = try Mounted(each.kind, ["--passthrough", each.passthrough])
    let through = mounted.mountpoint
    for name in ["gone", "open"] { try write(name, to: mounted.source.appending(name)) }
    try FileManager.default.createDirectory(
      atPath: mounted.source.appending("directory").string, withIntermediateDirectories: true)
    #expect(try mounted.run(["cat", "\(through)/gone"]).output == "gone")
    #expect(try mounted.run(["stat", "\(through)/directory"]).status == 0)
    let handle = try mounted.load("handle", "\(through)/gone")
    let open = try mounted.hold("open")
    for name in ["gone", "open"] { try unlink(mounted.source.appending(name)) }
    #expect(rmdir(mounted.source.appending("directory").string) == 0)
    // The one that is open is in use, and parked if the kernel does not keep it.
    #expect(mounted.holdsNothingRemoved(seconds: 1.5, but: "/open"))
    let answer = try mounted.load("open-handle", through.string, handle)
    #expect(answer.hasSuffix("ESTALE"), "\(answer)")
    for _ in 0..<2 {
      #expect(open.ask("read") == "has open")
      try mounted.waitForNewServer(after: mounted.killServer())
    }
    #expect(open.ask("read") == "has open")
    open.kill()
    #expect(mounted.holdsNothingRemoved(seconds: 1.5))
  }
}

extension Mounted {
  /// Whether both processes let go of all files that were removed, within a time.
  fileprivate func holdsNothingRemoved(
    seconds: Double, but kept: String? = nil, _ location: SourceLocation = #_sourceLocation
  ) -> Bool {
    var left: [String] = []
    let isFree = eventually(seconds: seconds) {
      left = [self.serverID, self.supervisorID].flatMap { self.removed(of: $0 ?? 0) }
        .filter { path in kept.map { !path.contains($0) } ?? true }
      return left.isEmpty
    }
    if !isFree { Issue.record("held: \(left)", sourceLocation: location) }
    return isFree
  }

  /// The removed files of the volume that a process has open.
  private func removed(of process: pid_t) -> [String] {
    let directory = "/proc/\(process)/fd"
    let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
    return names.compactMap { name in
      var status = Glibc.stat()
      guard stat("\(directory)/\(name)", &status) == 0, status.st_nlink == 0,
        (try? volume.device) == UInt64(status.st_dev)
      else { return nil }
      return try? FileManager.default.destinationOfSymbolicLink(atPath: "\(directory)/\(name)")
    }
  }
}
