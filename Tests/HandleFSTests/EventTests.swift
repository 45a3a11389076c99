import Foundation
import Glibc
import HandleStore
import SystemPackage
import TestSupport
import Testing

/// What `handlefs events` prints.
@Suite struct EventTests {
  /// A name is told as it is, whatever it has in it.
  @Test(.mountsHandleFS) func names() throws {
    let mounted = try Mounted(.ext4)
    let events = try Child(
      [try #require(Mounted.program), "events", mounted.mountpoint.string])
    #expect(events.line(seconds: 10) == #"{"watching":1}"#)
    func creation() throws -> [String: Any] {
      while let line = events.line(seconds: 10) {
        let event = try #require(
          try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        if (event["events"] as? [String] ?? []).contains("create") { return event }
      }
      Issue.record("no event of a creation")
      return [:]
    }
    for name in [#"quote " backslash \"#, "line\nend\u{1f}", "größer 名", "a&b"] {
      try write("", to: mounted.source.appending(name))
      let event = try creation()
      #expect(event["name"] as? String == name && event["name_bytes"] == nil)
    }
    try succeed("sh", "-c", #"touch "$0/$(printf 'caf\351 \360\237')""#, mounted.source.string)
    let event = try creation()
    #expect(event["name"] is NSNull && event["name_bytes"] as? String == "636166e920f09f")
    events.kill()
  }

  /// What is on another mount is not taken for what has its number here.
  @Test(.mountsHandleFS) func pathsOfOthers() throws {
    let (mounted, other) = (try Mounted(.ext4), try Mounted(.ext4))
    for one in [mounted, other] { try write("", to: one.source.appending("file")) }
    let program = try #require(Mounted.program)
    for path in [other.mountpoint.appending("file").string, "/", "/nowhere"] {
      let answer = try mounted.run([program, "events", mounted.mountpoint.string, path])
      #expect(answer.status != 0 && answer.errors.contains(path), "\(answer.errors)")
    }
  }

  /// The watches of a client that ends together with its server end as well.
  @Test(.mountsHandleFS) func clientsThatAreGone() throws {
    let mounted = try Mounted(.ext4)
    let command = [try #require(Mounted.program), "events", mounted.mountpoint.string]
    let (gone, stays) = (try Child(command), try Child(command))
    for client in [gone, stays] {
      #expect(client.line(seconds: 10) == #"{"watching":1}"#)
    }
    let server = try #require(mounted.serverID)
    try stop(server)
    gone.kill()
    kill(server, SIGKILL)
    try mounted.waitForNewServer(after: server)
    func watches() throws -> Int {
      let store = try Store(at: mounted.store, options: StoreOptions(readOnly: true))
      return try Int(store.summary().watches)
    }
    let before = try watches()
    #expect(before == 2)
    #expect(try eventually(seconds: 20) { try watches() == 1 })
    stays.kill()
    #expect(try eventually(seconds: 20) { try watches() == 0 })
  }

  /// A client that reconnects is told that it has missed something before it is told what, also if another
  /// client has made the server notice the deletion.
  @Test(.mountsHandleFS) func overflowComesFirst() throws {
    let mounted = try Mounted(.ext4)
    let file = mounted.source.appending("file")
    try write("text", to: file)
    let command = [
      try #require(Mounted.program), "events", mounted.mountpoint.string,
      mounted.mountpoint.appending("file").string,
    ]
    let (late, other) = (try Child(command), try Child(command))
    for client in [late, other] {
      #expect(client.line(seconds: 10) == #"{"watching":1}"#)
    }
    try stop(late.pid)
    try mounted.waitForNewServer(after: mounted.killServer())
    for line in [#"{"watching":1}"#, #"{"overflow":true}"#] {
      #expect(other.line(seconds: 10) == line)
    }
    try unlink(file)
    var line = other.line(seconds: 10)
    while let next = line, !next.contains("deleteSelf") { line = other.line(seconds: 10) }
    #expect(line != nil)
    #expect(kill(late.pid, SIGCONT) == 0)
    for part in [#"{"watching":0}"#, #"{"overflow":true}"#, "deleteSelf"] {
      let line = late.line(seconds: 10)
      #expect(line?.contains(part) == true, "\(line ?? "nothing") instead of \(part)")
    }
    for client in [late, other] { client.kill() }
  }

  @Test(.mountsHandleFS, arguments: shown)
  func tellsWhatHappens(_ kind: VolumeKind) throws {
    let mounted = try Mounted(kind)
    let source = mounted.source
    try FileManager.default.createDirectory(
      atPath: source.appending("directory").string, withIntermediateDirectories: false)
    for name in ["file", "gone", "later"] { try write("text", to: source.appending(name)) }
    let paths = ["directory", "file", "gone", "later"].map {
      mounted.mountpoint.appending($0).string
    }
    let events = try Child(
      [try #require(Mounted.program), "events", mounted.mountpoint.string] + paths)
    #expect(events.line(seconds: 10) == #"{"watching":4}"#)
    func expect(_ parts: String...) {
      while let line = events.line(seconds: 10) {
        if parts.allSatisfy(line.contains) { return }
      }
      Issue.record("no event with \(parts)")
    }
    // Through the mount, and behind its back.
    _ = try mounted.run(["touch", mounted.mountpoint.appending("directory/new").string])
    expect(#""name":"new""#, "create")
    try write("other", to: source.appending("file"))
    expect(#""name":"""#, "modify")
    try unlink(source.appending("gone"))
    expect("deleteSelf")
    // What happens while no server listens is found out.
    let server = try mounted.killServer()
    try unlink(source.appending("later"))
    try mounted.waitForNewServer(after: server)
    expect(#"{"overflow":true}"#)
    expect("deleteSelf")
    try write("more", to: source.appending("file"))
    expect(#""name":"""#, "modify")
    func watches() throws -> UInt64 {
      let store = try Store(at: mounted.store, options: StoreOptions(readOnly: true))
      return try UInt64(store.summary().watches)
    }
    #expect(try watches() == 2)
    events.kill()
    #expect(try eventually(seconds: 5) { try watches() == 0 }, "nobody watches any more")
    let others = try Child(
      [try #require(Mounted.program), "events", mounted.mountpoint.string] + paths.prefix(2))
    #expect(others.line(seconds: 10) == #"{"watching":2}"#)
    try mounted.unmount()
    #expect(try watches() == 0)
  }
}
