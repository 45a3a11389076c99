import Foundation
import Glibc
import HandleStore
import SystemPackage
import TestSupport
import Testing

/// What `handlefs events` prints if there is much, if nobody reads it, and if a server dies.
@Suite struct EventLoadTests {
  /// Each of many events comes, or it is told that some did not; and it goes on.
  @Test(.mountsHandleFS) func tellsOfABurst() throws {
    let mounted = try Mounted(.ext4, megabytes: 256, format: ["-N", "40000"])
    let directory = try mounted.makeDirectory("directory")
    let events = try mounted.events(of: ["directory"])
    try makeFiles(20_000, in: directory)
    let heard = try events.hear(until: "marker", made: directory)
    #expect(heard.overflows > 0 || heard.creations == 20_000, "\(heard)")
  }

  /// Where the kernel has more than it keeps for the server, that is told, whatever it was about. If the
  /// server needs the events itself, the kernel keeps all of them.
  @Test(.mountsHandleFS) func tellsThatTheKernelLostSome() throws {
    let mounted = try Mounted(
      .ext4, ["--cache-timeout", "1"], megabytes: 256, format: ["-N", "40000"])
    let (quiet, loud) = try (mounted.makeDirectory("quiet"), mounted.makeDirectory("loud"))
    let events = try mounted.events(of: ["quiet"])
    let server = try #require(mounted.serverID)
    try stop(server)
    try makeFiles(20_000, in: loud)
    kill(server, SIGCONT)
    #expect(events.line(seconds: 120) == #"{"overflow":true}"#)
    let heard = try events.hear(until: "marker", made: quiet)
    #expect(heard.overflows == 0 && mounted.serverID == server, "\(heard)")
  }

  /// Who does not read holds up nobody, loses what it has not read, and is told so.
  @Test(.mountsHandleFS) func nobodyIsHeldUp() throws {
    let mounted = try Mounted(.ext4)
    let directory = try mounted.makeDirectory("directory")
    let (events, others) = try (
      mounted.events(of: ["directory"]), mounted.events(of: ["directory"])
    )
    try stop(others.pid)
    try makeFiles(4000, in: directory)
    let heard = try events.hear(until: "first", made: directory)
    #expect(heard.overflows > 0 || heard.creations == 4000, "\(heard)")
    kill(others.pid, SIGCONT)
    let late = try others.hear(until: "second", made: directory)
    #expect(late.overflows > 0 && late.creations < 4000, "\(late)")
    _ = try events.hear(until: "third", made: directory)
  }

  /// Who is cut off hears of each deletion once, when it comes again.
  @Test(.mountsHandleFS) func tellsOfDeletionsToWhoDidNotRead() throws {
    let mounted = try Mounted(.ext4)
    let directory = try mounted.makeDirectory("directory")
    let names = (1...500).map { "file-\($0)" }
    for name in names { try write("", to: mounted.source.appending(name)) }
    let events = try mounted.events(of: ["directory"] + names)
    try stop(events.pid)
    try makeFiles(4000, in: directory)
    for name in names { try unlink(mounted.source.appending(name)) }
    try makeFiles(4000, in: directory)
    kill(events.pid, SIGCONT)
    var told: [Substring: Int] = [:]
    var heard = events.count(of: "deleteSelf", in: &told, waiting: 5)
    #expect(heard && told.count == 500 && told.values.allSatisfy { $0 == 1 }, "\(told.count)")
    heard = events.count(of: "deleteSelf", in: &told, waiting: 1)
    #expect(!heard && told.values.allSatisfy { $0 == 1 })
  }

  @Test(.mountsHandleFS) func watchesManyFiles() throws {
    let mounted = try Mounted(.ext4)
    let names = (1...2000).map { "file-\($0)" }
    for name in names { try write("", to: mounted.source.appending(name)) }
    let events = try mounted.events(of: names)
    for name in [names[0], names[1999]] {
      try write("text", to: mounted.source.appending(name))
      #expect(events.tellsOfAWrite())
    }
    try mounted.waitForNewServer(after: mounted.killServer())
    #expect(events.comesAgain(watching: 2000...2000))
    #expect(events.line(seconds: 120) == #"{"overflow":true}"#)
  }

  /// A file that is gone while no server listens is told of once, also if a server has found it gone
  /// and was killed before it could tell.
  @Test(.mountsHandleFS, arguments: [false, true])
  func tellsOfADeletionOnce(takenForTelling: Bool) throws {
    let mounted = try Mounted(.ext4)
    for name in ["gone", "there"] { try write(name, to: mounted.source.appending(name)) }
    let events = try mounted.events(of: ["gone", "there"])
    let supervisor = try #require(mounted.supervisorID)
    try stop(supervisor)
    let server = try mounted.killServer()
    try unlink(mounted.source.appending("gone"))
    if takenForTelling {
      let store = try mounted.storeOfKilledServer()
      try store.attach(mounted.volume.path)
      let gone = try store.sweep().deletions.nodes.count
      try store.close()
      #expect(gone == 1)
    }
    kill(supervisor, SIGCONT)
    try mounted.waitForNewServer(after: server)
    // The new server may have found by itself that the file is gone.
    #expect(events.comesAgain(watching: takenForTelling ? 1...1 : 1...2))
    #expect(events.tells("deleteSelf", waiting: 10))
    try mounted.waitForNewServer(after: mounted.killServer())
    #expect(!events.tells("deleteSelf", waiting: 1))
    try write("changed", to: mounted.source.appending("there"))
    #expect(events.tells("modify", waiting: 10))
  }
}

private func makeFiles(_ count: Int, in directory: FilePath) throws {
  try succeed("sh", "-c", #"cd "$0" && seq \#(count) | xargs touch"#, directory.string)
}

extension Mounted {
  fileprivate func makeDirectory(_ name: String) throws -> FilePath {
    let path = source.appending(name)
    try FileManager.default.createDirectory(
      atPath: path.string, withIntermediateDirectories: false)
    return path
  }

  /// The store, once the server has let go of it.
  fileprivate func storeOfKilledServer() throws -> Store {
    var store: Store?
    _ = eventually(seconds: 5) {
      store = try? Store(at: self.store)
      return store != nil
    }
    return try #require(store)
  }

  /// The command, once it watches.
  fileprivate func events(
    of names: [String], _ location: SourceLocation = #_sourceLocation
  ) throws -> Child {
    let paths = names.map { mountpoint.appending($0).string }
    let events = try Child([try #require(Self.program), "events", mountpoint.string] + paths)
    #expect(
      events.line(seconds: 120) == #"{"watching":\#(names.count)}"#, sourceLocation: location)
    return events
  }
}

/// What the command has printed.
private struct Heard {
  var creations = 0
  var overflows = 0
  var last = ""
}

extension Child {
  /// Reads until it watches again, by another server.
  fileprivate func comesAgain(watching counts: ClosedRange<Int>) -> Bool {
    lines(waiting: 10) { line in counts.contains { line == #"{"watching":\#($0)}"# } }
  }

  /// Gives its lines to a body until that has found what it wants; says whether it has.
  private func lines(waiting seconds: Int32, _ body: (String) -> Bool) -> Bool {
    let end = ContinuousClock.now + .seconds(max(seconds, 10))
    while ContinuousClock.now < end, let line = line(seconds: seconds) {
      if body(line) { return true }
    }
    return false
  }

  /// Makes a file and reads until its creation is reported; if it is not, makes another one.
  fileprivate func hear(
    until name: String, made directory: FilePath, _ location: SourceLocation = #_sourceLocation
  ) throws -> Heard {
    var heard = Heard()
    for i in 0..<10 {
      try write("", to: directory.appending("\(name)-\(i)"))
      let isHeard = lines(waiting: 1) { line in
        heard.last = line
        if line.contains("\"\(name)-") { return true }
        if line == #"{"overflow":true}"# { heard.overflows += 1 }
        if line.contains(#""create""#) { heard.creations += 1 }
        return false
      }
      if isHeard { return heard }
    }
    Issue.record("\(name) is not heard of: \(heard)", sourceLocation: location)
    return heard
  }

  /// Counts by their nodes the lines that tell of an event, until 500 were told or it has been silent for
  /// so many seconds; says whether that was so.
  fileprivate func count(
    of event: String, in told: inout [Substring: Int], waiting seconds: Int32
  ) -> Bool {
    let before = told.count
    return lines(waiting: seconds) { line in
      guard line.contains("\"\(event)\"") else { return false }
      told[line[(line.firstIndex(of: "]") ?? line.startIndex)...], default: 0] += 1
      return before == 0 && told.count == 500
    }
  }

  /// Reads the lines about a file that was written and closed: one line, or several.
  fileprivate func tellsOfAWrite() -> Bool {
    var isModified = false
    return lines(waiting: 60) { line in
      isModified = isModified || line.contains(#""modify""#)
      return line.contains(#""closeWrite""#)
    } && isModified
  }

  /// Whether it tells of an event, before it has been silent for so many seconds.
  fileprivate func tells(_ event: String, waiting seconds: Int32) -> Bool {
    lines(waiting: seconds) { $0.contains("\"\(event)\"") }
  }
}
