import Foundation
import Glibc
import HandleStore
import SystemPackage
import TestSupport
import Testing

/// The kernel, the store and the server remember a bounded number of files, whatever is walked over.
@Suite struct BoundTests {
  /// A walk over 30,000 files finds each, and only a bounded number are known at a time: twice the
  /// bound if other tests leave the server little time. Half of the files have a set-user-id bit. Takes
  /// twenty seconds.
  @Test(.mountsHandleFS) func walkStaysUnderTheBound() throws {
    let (files, bound) = (30_000 * soak, 4000 * soak)
    let mounted = try Mounted(
      .ext4, ["--nodes", "\(bound)"], megabytes: 256 * soak, format: ["-N", "\(40_000 * soak)"])
    try mounted.makeFiles(files)
    try succeed(
      "sh", "-c", #"find "$0" -name '??[02468]' -exec chmod u+s {} +"#, mounted.source.string)
    for _ in 0..<2 {
      let most = try mounted.walk(expecting: files)
      #expect(most <= 2 * bound, "\(most) nodes were known at a time")
    }
    let status = try mounted.status()
    #expect(status["nodes_asked_back"] ?? 0 > files && status["nodes_dropped"] ?? 0 > files)
    try mounted.unmount()
    #expect(try mounted.nodesInStore() <= 2 * bound)
  }

  /// What is in use is found where it was, after everything else was forgotten more than once.
  @Test(.mountsHandleFS) func whatIsUsedStays() throws {
    let mounted = try Mounted(
      .ext4, ["--nodes", "1000", "--idle-forget", "0.3"], megabytes: 256, format: ["-N", "40000"])
    try mounted.makeFiles(8000)
    let through = mounted.mountpoint
    #expect(try mounted.run(["mkdir", "-p", "\(through)/a b/sub/deep"]).status == 0)
    let open = try mounted.hold("open", creating: "text")
    let removed = try mounted.hold("removed", creating: "text")
    #expect(try mounted.run(["rm", "\(through)/removed"]).status == 0)
    try write("path", to: mounted.source.appending("path"))
    let path = try mounted.hold("path", as: "path")
    let directory = try mounted.hold("a b/sub", as: "directory")
    try write("old", to: mounted.source.appending("watched"))
    let program = try #require(Mounted.program)
    let events = try Child([program, "events", through.string, "\(through)/watched"])
    #expect(events.line(seconds: 10) == #"{"watching":1}"#)
    let handle = try mounted.load("handle", "\(through)/000/000")

    for round in 0..<2 {
      _ = try mounted.walk(expecting: 8000)
      #expect(eventually(seconds: 10) { (try? mounted.nodesInKernel()).map { $0 < 20 } == true })
      for held in [open, removed] { #expect(held.ask("read") == "has text") }
      #expect(path.ask("stat") == "links 1, size 4")
      #expect(directory.ask("list") == "deep ")
      #expect(removed.ask("stat") == "links 0, size 4")
      if round == 0 { try mounted.waitForNewServer(after: mounted.killServer()) }
    }
    // The file has the node that the watch is on.
    try write("new", to: mounted.source.appending("watched"))
    var isTold = false
    while !isTold, let line = events.line(seconds: 10) { isTold = line.contains("modify") }
    #expect(isTold)
    // A file that was forgotten is found by its name, and no longer by its handle.
    let answer = try mounted.load("open-handle", through.string, handle)
    #expect(answer.hasSuffix("ESTALE"), "\(answer)")
    #expect(try mounted.run(["cat", "\(through)/000/000"]).status == 0)
    for user in [open, removed, path, directory, events] { user.kill() }
  }

  /// Without a bound on the number, the kernel forgets, but the store does not: handles stay valid.
  @Test(.mountsHandleFS) func handlesSurviveIdleForget() throws {
    let mounted = try Mounted(.ext4, ["--idle-forget", "0.2"])
    try mounted.makeFiles(300)
    let file = "\(mounted.mountpoint)/000/007"
    let handle = try mounted.load("handle", file)
    _ = try mounted.walk(expecting: 300)
    #expect(eventually(seconds: 10) { (try? mounted.nodesInKernel()) == 0 })
    let answer = try mounted.load("open-handle", mounted.mountpoint.string, handle)
    #expect(!answer.contains("ESTALE"), "\(answer)")
    #expect(try mounted.run(["cat", file]).output == "007")
    // What is used all the time is not forgotten: it keeps its node in the kernel.
    let user = try mounted.hold("000/007")
    usleep(1_000_000)
    #expect(try mounted.nodesInKernel() >= 2)
    user.kill()
  }

  /// Servers that are killed at any moment lose count of what the kernel has forgotten; the next ones
  /// find out. Takes half a minute, so the long campaigns do it.
  @Test(.mountsHandleFS) func killsLeaveNothingBehind() throws {
    guard soak > 1 else { return }
    let mounted = try Mounted(
      .ext4, ["--nodes", "1000", "--idle-forget", "0.5"], megabytes: 256, format: ["-N", "40000"])
    try mounted.makeFiles(10_000)
    let user = try Child([
      "sh", "-c", #"seq 4 | xargs -P 4 -I{} sh -c 'ls -lR "$0" | grep -c ^-' "$0""#,
      mounted.mountpoint.string,
    ])
    for _ in 0..<12 {
      // It serves when it answers.
      _ = try mounted.status()
      usleep(.random(in: 1000...60_000))
      try mounted.waitForNewServer(after: mounted.killServer())
    }
    for _ in 0..<4 { #expect(user.line(seconds: 60) == "10000") }
    #expect(user.wait(seconds: 60) == 0)
    let isFree = eventually(seconds: 30) { (try? mounted.nodesInKernel()) == 0 }
    let left = try mounted.nodesInKernel()
    #expect(isFree, "\(left) nodes still count")
    _ = try mounted.walk(expecting: 10_000)
  }
}

extension Mounted {
  /// Makes files in directories of a hundred, behind the mount's back. Each contains its name.
  fileprivate func makeFiles(_ count: Int) throws {
    for directory in 0..<(count + 99) / 100 {
      let path = source.appending(Self.name(directory))
      try FileManager.default.createDirectory(
        atPath: path.string, withIntermediateDirectories: false)
      for file in 0..<min(100, count - directory * 100) {
        try write(Self.name(file), to: path.appending(Self.name(file)))
      }
    }
  }

  private static func name(_ number: Int) -> String {
    String(repeating: "0", count: max(0, 3 - "\(number)".count)) + "\(number)"
  }

  /// Walks over all files; returns how many nodes the kernel knew at most meanwhile.
  fileprivate func walk(
    expecting count: Int, _ location: SourceLocation = #_sourceLocation
  ) throws -> Int {
    let walker = try Child([
      "sh", "-c", #"find "$0" -type f -size -2 -path '*/[0-9]*/???' | wc -l"#, mountpoint.string,
    ])
    var most = 0
    while walker.wait(seconds: 0) == nil { most = max(most, try nodesInKernel()) }
    #expect(walker.line(seconds: 1) == "\(count)", sourceLocation: location)
    return max(most, try nodesInKernel())
  }

  fileprivate func nodesInKernel() throws -> Int {
    try #require(try status()["nodes_in_kernel"])
  }

  fileprivate func nodesInStore() throws -> Int {
    let store = try Store(at: self.store, options: StoreOptions(readOnly: true))
    defer { try? store.close() }
    return try store.everyNodeCount()
  }
}

extension Store {
  fileprivate func everyNodeCount() throws -> Int {
    var (count, next) = (0, Optional(NodeID.root))
    while let start = next {
      let page = try nodes(from: start)
      count += page.nodes.count
      next = page.next
    }
    return count
  }
}
