import Foundation
import SystemPackage
import TestSupport
import Testing

/// What the directories of mounts that share a store are taken for.
@Suite(.serialized) struct SharingPlaceTests {
  /// Two directories of one filesystem; neither mount leads into the other's.
  @Test(.mountsHandleFS) func sourcesMayDiffer() throws {
    let first = try Mounted(.ext4)
    let second = try Mounted(sharing: first, source: first.volume.path.appending("other"))
    try first.perform("echo first >file; ln file link")
    try second.perform("echo second >file")
    let (mine, its) = (try first.handleText(["file"]), try second.handleText(["file"]))
    #expect(mine != its)
    #expect(try first.load("open-handle", first.mountpoint.string, mine) == "has first")
    #expect(try second.load("open-handle", second.mountpoint.string, its) == "has second")
    #expect(try first.load("open-handle", first.mountpoint.string, its) == "ESTALE")
    #expect(try second.load("open-handle", second.mountpoint.string, mine) == "ESTALE")
    // A link makes it a file of both.
    try link(first.source.appending("link"), to: second.source.appending("link"))
    try second.expectSoon("cat link", "first\n")
    #expect(try second.load("open-handle", second.mountpoint.string, mine) == "has first")
  }

  /// A directory that was renamed, one that takes its place, and one with two names.
  @Test(.mountsHandleFS) func sourcesAreNotMistaken() throws {
    let first = try Mounted(.ext4)
    try first.perform("echo first >file")
    try rename(first.source, to: FilePath("\(first.source)-moved"))
    let second = try Mounted(sharing: first)
    try second.perform("echo second >file")
    let third = try Mounted(sharing: first, source: FilePath("\(first.source)-moved"))
    let mounts = [(first, "first"), (second, "second"), (third, "first")]
    let handles = try mounts.map { try $0.0.handleText(["file"]) }
    for _ in 1...3 {
      for (mounted, text) in mounts {
        for (handle, other) in zip(handles, mounts) {
          #expect(
            try mounted.load("open-handle", mounted.mountpoint.string, handle)
              == (text == other.1 ? "has \(text)" : "ESTALE"))
        }
      }
      try first.killServing()
      #expect(eventually(seconds: 20) { first.figure("mounts") == 3 })
    }
  }

  /// Any path can be SOURCE, and several mounts may begin with a new one at the same time.
  @Test(.mountsHandleFS) func sourcesMayHaveAnyName() throws {
    let first = try Mounted(.ext4)
    let program = try #require(Mounted.program)
    let places = try (0..<4).map { _ in try TemporaryDirectory() }
    let long = String(repeating: "/" + String(repeating: "ä", count: 120), count: 3)
    for name in ["a line\nand another", long] + (1...6).map({ "new-\($0)" }) {
      let source = first.volume.path.pushing(FilePath(name))
      try FileManager.default.createDirectory(
        atPath: source.string, withIntermediateDirectories: true)
      let commands = try places.map { place in
        try Child([program, source.string, place.path.string, "--store", first.store.string])
      }
      for command in commands { #expect(command.wait(seconds: 30) == 0, "\(name)") }
      for place in places where try run("mountpoint", place.path.string).status == 0 {
        #expect(try first.run(["touch", place.appending("file").string]).status == 0)
        try succeed("umount", place.path.string)
      }
    }
  }

  /// A store is its directory: one that takes its place is another one.
  @Test(.mountsHandleFS) func storesAreNotMistaken() throws {
    let first = try Mounted(.ext4)
    let moved = FilePath("\(first.store)-moved")
    try rename(first.store, to: moved)
    defer { try? rename(moved, to: first.store) }
    let place = try TemporaryDirectory()
    let program = try #require(Mounted.program)
    let other = try first.run([
      program, first.source.string, place.path.string, "--store", first.store.string,
    ])
    #expect(other.status == 0, "\(other.errors)")
    #expect(first.figure("mounts") == 1)
    try succeed("umount", place.path.string)
    // Its server may still be closing it.
    #expect(
      eventually(seconds: 10) {
        (try? FileManager.default.removeItem(atPath: first.store.string)) != nil
      })
    // By its new path it is the same.
    let same = try first.run([
      program, first.source.string, place.path.string, "--store", moved.string,
    ])
    #expect(same.status == 0, "\(same.errors)")
    #expect(first.figure("mounts") == 2)
    try succeed("umount", place.path.string)
    #expect(eventually(seconds: 20) { first.figure("mounts") == 1 })
  }
}
