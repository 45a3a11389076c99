import Foundation
import Glibc
import SystemPackage
import TestSupport
import Testing

/// Mounts that cannot share a store.
@Suite(.serialized) struct SharingRefusalTests {
  @Test(.mountsHandleFS) func refusals() throws {
    let first = try Mounted(.ext4)
    try first.perform("mkdir d")
    let program = try #require(Mounted.program)
    let place = try TemporaryDirectory()
    func answer(_ source: FilePath, _ options: String...) throws -> CommandResult {
      try first.run(
        [program, source.string, place.path.string, "--store", first.store.string] + options)
    }
    // It would wait for itself.
    let onItself = try answer(first.mountpoint.appending("d"))
    #expect(onItself.status == 2 && onItself.errors.contains("another mount of the same store"))
    let kept = try answer(first.source, "--handles", "never")
    #expect(kept.status == 3 && kept.errors.contains("only mounts whose files are opened by"))
    // Its files would be opened through this mount, though it is reached through another, which may be
    // read-only.
    let bound = try TemporaryDirectory()
    try succeed("mount", "--bind", first.source.string, bound.path.string)
    defer { _ = umount2(bound.path.string, Int32(MNT_DETACH)) }
    try succeed("mount", "-o", "remount,bind,ro", bound.path.string)
    let elsewhere = try answer(bound.path)
    #expect(elsewhere.status == 2 && elsewhere.errors.contains("through another mount"))
    try first.perform("echo >file; rm file")
    let apart = try run(
      "unshare", "--mount", program, first.source.string, place.path.string, "--store",
      first.store.string)
    #expect(apart.status == 2 && apart.errors.contains("does not see"), "\(apart.errors)")
    let missing = try answer(first.volume.path.appending("nothing"))
    #expect(
      missing.status == 4 && missing.errors.contains("/nothing: No such file"), "\(missing.errors)")
    // Rubbish on the socket on which the host waits.
    let socket = try succeed("stat", "-c", "/run/handlefs/store-%d-%i.socket", first.store.string)
      .trimmingCharacters(in: .whitespacesAndNewlines)
    for rubbish in ["", "frob", "\u{9}", String(repeating: "x", count: 10_000)] {
      let reply = try run([product("mountload"), "tell", socket, rubbish])
      #expect(reply.output.contains("another version has the store open"), "\(reply)")
    }
    #expect(first.figure("mounts") == 1)
    #expect(first.serverID.map(Int.init) == first.figure("pid"))
  }

  /// A host that has too few descriptors for a guest refuses it, and keeps nothing of it, however far it
  /// has come. Nothing takes away the events that the next one must hear of.
  @Test(.mountsHandleFS) func nothingIsLeftOfARefusedGuest() throws {
    let first = try Mounted(.ext4)
    let host = try #require(first.serverID)
    try first.perform("ls")
    let place = try TemporaryDirectory()
    let program = try #require(Mounted.program)
    let before = first.descriptorsOfServer
    // The connection, and what comes with it, need so many. Two threads wait in accept(2), which takes a
    // descriptor before there is a connection; it is not seen in /proc.
    let least = before + 24
    var limit = least
    while true {
      try succeed("prlimit", "--pid", "\(host)", "--nofile=\(limit):")
      let answer = try first.run([
        program, first.source.string, place.path.string, "--store", first.store.string,
      ])
      if answer.status == 0 { break }
      #expect(answer.errors.contains("no file descriptors are left"), "\(limit): \(answer.errors)")
      #expect(
        // The cache may have fewer files than before.
        eventually(seconds: 2) { first.descriptorsOfServer <= before },
        "\(limit): \(first.descriptorsOfServer) of \(before)")
      limit += 1
      try #require(limit < least + 60)
    }
    #expect(limit > least + 5)
    try succeed("umount", place.path.string)
    let second = try Mounted(sharing: first)
    try first.expectSoon("ls", "")
    for round in 1...20 {
      try second.perform("echo >new-\(round)")
      try first.expectSoon("ls new-\(round)", "new-\(round)\n", within: 0.1)
    }
  }

  /// A guest that cannot be mounted does not keep its filesystem busy.
  @Test(.mountsHandleFS) func aFailedGuestKeepsNothingBusy() throws {
    let first = try Mounted(.ext4)
    let other = try TemporaryDirectory()
    let image = other.appending("image")
    try succeed("truncate", "-s", "64M", image.string)
    try succeed("mkfs.ext4", "-q", image.string)
    let place = other.appending("place")
    try FileManager.default.createDirectory(
      atPath: place.string, withIntermediateDirectories: true)
    try succeed("mount", "-o", "loop", image.string, place.string)
    // It is no directory, which the kernel says when the host has opened all.
    let answer = try first.run([
      try #require(Mounted.program), place.string, image.string, "--store", first.store.string,
    ])
    #expect(answer.status == 4 && answer.errors.contains("mounting on"), "\(answer.errors)")
    let isFree = try eventually(seconds: 5) { try run("umount", place.string).status == 0 }
    #expect(isFree)
    if !isFree { _ = umount2(place.string, Int32(MNT_DETACH)) }
    try first.perform("echo >file; rm file")
  }
}
