import Foundation
import Glibc
import SystemPackage
import TestSupport
import Testing

/// Sources whose files cannot be opened by their handles, so that all files that the kernel knows are
/// kept open.
@Suite(.serialized) struct KeptTests {
  struct Source: CustomTestStringConvertible, Sendable {
    let kind: VolumeKind
    var options: [String] = []
    var wrapper: [String] = []
    var testDescription: String { ([kind.rawValue] + options + wrapper).joined(separator: " ") }

    func mount(descriptors: Int? = nil, options more: [String] = []) throws -> Mounted {
      try Mounted(kind, options + more, descriptors: descriptors, by: wrapper)
    }
  }

  private static let withoutCapability = ["setpriv", "--bounding-set=-dac_read_search"]

  static let sources = [
    Source(kind: .plainOverlay), Source(kind: .fuse),
    Source(kind: .ext4, wrapper: withoutCapability),
    Source(kind: .ext4, options: ["--handles", "never"]),
  ]

  private static let remark = "are kept open, up to "

  @Test(.mountsHandleFS, arguments: sources) func isSaid(_ source: Source) throws {
    #expect(try source.mount().log.contains(Self.remark))
  }

  @Test(.mountsHandleFS, arguments: [VolumeKind.ext4, .overlay]) func isNotNeeded(
    _ kind: VolumeKind
  ) throws {
    let mounted = try Mounted(kind, ["--handles", "require"])
    #expect(!mounted.log.contains(Self.remark))
    try mounted.unmount()
    mounted.options = []
    try mounted.mount()
    #expect(!mounted.log.contains(Self.remark))
  }

  /// Whoever needs handles is told what is missing.
  @Test(.mountsHandleFS) func isRefused() throws {
    for (source, reason) in zip(
      [Self.sources[0], Self.sources[2]],
      ["has no handles that can be opened", "run it with CAP_DAC_READ_SEARCH"])
    {
      let mounted = try source.mount()
      try mounted.unmount()
      let paths = [mounted.source, mounted.mountpoint].map(\.string)
      let result = try mounted.run(
        source.wrapper + [try #require(Mounted.program)] + paths
          + ["-o", "store=\(mounted.store),handles=require"])
      #expect(result.status == 4 && result.errors.contains(reason), "\(result.errors)")
      #expect(!mounted.isMounted)
    }
  }

  /// What is in use when the server is killed, or the supervisor and then the server.
  @Test(.mountsHandleFS, arguments: sources) func outlivesKills(_ source: Source) throws {
    let mounted = try source.mount(options: ["--cache-timeout", "0"])
    let through = mounted.mountpoint
    try mounted.sh("mkdir -p a/b; printf text >a/file; printf other >a/b/other; ln -s file a/link")
    // A file of which the kernel forgets the name gets a new node, unless its generation proves that it is the
    // same one. So all whose handles are compared are held.
    let (file, other) = (try mounted.hold("a/file"), try mounted.hold("a/b/other"))
    let directory = try mounted.hold("a/b", as: "directory")
    let removed = try mounted.hold("removed", creating: "removed")
    try mounted.sh("rm removed")
    let names = ["a", "a/b", "a/file", "a/b/other", "a/link"]
    let numbers = try mounted.sh("stat -c %i \(names.joined(separator: " "))")
    let handles = try mounted.load(
      "handle", "\(through)/a/file", "\(through)/a/b/other")
    for round in 0..<6 {
      if round % 3 == 2 {
        _ = try mounted.waitForNewSupervisor(after: mounted.killSupervisor())
        usleep(200_000)
      }
      try mounted.waitForNewServer(after: mounted.killServer())
      #expect(file.ask("read") == "has text")
      #expect(removed.ask("read") == "has removed")
      #expect(directory.ask("stat")?.hasPrefix("links ") == true)
      #expect(try mounted.sh("stat -c %i \(names.joined(separator: " "))") == numbers)
      #expect(
        try mounted.load("handle", "\(through)/a/file", "\(through)/a/b/other") == handles,
        "the nodes are the same")
    }
    // Where a file is open, some filesystems do not remove it, but hide it.
    for holder in [file, other, directory, removed] { holder.kill() }
    try mounted.sh("mv a/b c; echo more >>c/other; cat c/other; rm -r a c")
    #expect(
      try eventually(seconds: 10) { try mounted.kept() == 1 }, "only the directory: \(mounted.log)")
    try mounted.expectHealth()
  }

  /// After an unmount, and after the file's number went to another one, the handle is stale.
  @Test(.mountsHandleFS, arguments: sources) func oldHandlesAreStale(_ source: Source) throws {
    let mounted = try source.mount(options: ["--cache-timeout", "0"])
    let through = mounted.mountpoint.string
    try mounted.sh("printf text >file")
    let file = try mounted.hold("file")
    let handle = try mounted.load("handle", "\(through)/file")
    #expect(try mounted.load("open-handle", through, handle) == "has text")
    file.kill()
    for i in 0..<20 {
      try mounted.sh("rm file; printf \(i) >file")
      #expect(try mounted.load("open-handle", through, handle) == "ESTALE")
    }
    let last = try mounted.load("handle", "\(through)/file")
    try mounted.unmount()
    try mounted.mount()
    #expect(try mounted.load("open-handle", through, last).contains("ESTALE"))
    #expect(try mounted.sh("cat file") == "19")
    #expect(try mounted.load("handle", "\(through)/file") != last)
  }

  /// More files than descriptors: the kernel is asked to forget some.
  @Test(.mountsHandleFS, arguments: [sources[0], sources[3]])
  func descriptorsAreBounded(_ source: Source) throws {
    let mounted = try source.mount(descriptors: 512)
    let tree = mounted.source.appending("tree")
    try FileManager.default.createDirectory(atPath: tree.string, withIntermediateDirectories: true)
    try succeed(product("mountload"), "tree", tree.string, "40", "100")
    let file = try mounted.hold("tree", as: "directory")
    for _ in 0..<2 {
      let seen = try mounted.sh("find tree -type f -size -100 -exec stat -c %s {} + | wc -l")
      #expect(seen.trimmingCharacters(in: .whitespacesAndNewlines) == "4000")
      #expect(try mounted.kept() <= 512)
      try mounted.waitForNewServer(after: mounted.killServer())
    }
    #expect(file.ask("stat")?.hasPrefix("links ") == true)
    #expect(!mounted.log.contains("error"), "\(mounted.log)")
  }

  /// When nothing can be forgotten because programs use it all, the caller is told so.
  @Test(.mountsHandleFS) func allInUse() throws {
    let mounted = try Mounted(.ext4, ["--handles", "never"], descriptors: 256)
    try mounted.sh("i=0; while [ $i -lt 200 ]; do i=$((i + 1)); echo >f$i; done")
    let script = """
      i=0; while [ $i -lt 200 ]; do i=$((i + 1)); eval "exec {fd}<f$i" || exit 7; done
      """
    let result = try mounted.run(["bash", "-c", "cd \(mounted.mountpoint); \(script)"])
    #expect(result.status == 7)
    #expect(result.errors.contains("Too many open files in system"), "\(result.errors)")
    // They are closed now.
    #expect(try mounted.sh("cat f200") == "\n")
  }

  /// A removed file takes no space any more.
  @Test(.mountsHandleFS, arguments: sources) func removedFilesGo(_ source: Source) throws {
    let mounted = try source.mount(options: ["--cache-timeout", "0"])
    for way in [mounted.mountpoint, mounted.source] {
      try mounted.sh("dd if=/dev/zero of=large bs=1M count=20 status=none; sync large")
      let used = try mounted.usedBlocks()
      #expect(try mounted.run(["rm", way.appending("large").string]).status == 0)
      #expect(
        try eventually(seconds: 20) { try mounted.usedBlocks() < used - 10_000 },
        "\(way): still \(used) blocks")
    }
  }
}

extension Mounted {
  /// Runs commands in the mount, which must succeed; returns what they print.
  @discardableResult
  fileprivate func sh(
    _ script: String, _ location: SourceLocation = #_sourceLocation
  ) throws -> String {
    let result = try run(["sh", "-c", "cd \(mountpoint) && { \(script); }"], location)
    #expect(result.status == 0, "\(script): \(result.errors)", sourceLocation: location)
    return result.output
  }

  /// How many files the server keeps open.
  fileprivate func kept() throws -> Int {
    try Int(#require(status()["files_kept_open"]))
  }

  fileprivate func usedBlocks() throws -> Int {
    let words = try run(["df", "-k", "--output=used", source.string]).output.split(separator: "\n")
    return try #require(Int(words.last?.trimmingCharacters(in: .whitespaces) ?? ""))
  }
}
