import Foundation
import HandleStore
import SystemPackage
import TestSupport
import Testing

/// What `handlefs events` prints.
@Suite struct EventTests {
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
    #expect(events.line(seconds: 10) == #"{"watching": 4}"#)
    func expect(_ parts: String...) {
      while let line = events.line(seconds: 10) {
        if parts.allSatisfy(line.contains) { return }
      }
      Issue.record("no event with \(parts)")
    }
    // Through the mount, and behind its back.
    _ = try mounted.run(["touch", mounted.mountpoint.appending("directory/new").string])
    expect(#""name": "new""#, "create")
    try write("other", to: source.appending("file"))
    expect(#""name": """#, "modify")
    try unlink(source.appending("gone"))
    expect("deleteSelf")
    // What happens while no server listens is found out.
    let server = try mounted.killServer()
    try unlink(source.appending("later"))
    try mounted.waitForNewServer(after: server)
    expect(#"{"overflow": true}"#)
    expect("deleteSelf")
    try write("more", to: source.appending("file"))
    expect(#""name": """#, "modify")
    func watches() throws -> UInt64 {
      let store = try Store(at: mounted.store, options: StoreOptions(readOnly: true))
      return try UInt64(store.summary().watches)
    }
    #expect(try watches() == 2)
    events.kill()
    #expect(try eventually(seconds: 5) { try watches() == 0 }, "nobody watches any more")
    let others = try Child(
      [try #require(Mounted.program), "events", mounted.mountpoint.string] + paths.prefix(2))
    #expect(others.line(seconds: 10) == #"{"watching": 2}"#)
    try mounted.unmount()
    #expect(try watches() == 0)
  }
}
