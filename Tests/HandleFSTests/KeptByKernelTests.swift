import Foundation
import Glibc
import SystemPackage
import TestSupport
import Testing

/// A server is killed right after the kernel has opened or closed a file for it (FUSE_PASSTHROUGH), before
/// the server can take note of that.
@Suite struct KeptByKernelTests {
  private let directory: TemporaryDirectory
  private let killer: FilePath

  init() throws {
    directory = try TemporaryDirectory()
    killer = directory.appending("killer.so")
    let source = "\(packageRoot)/Tests/HandleFSShims/backing.c"
    try succeed("cc", "-Wall", "-Werror", "-shared", "-fPIC", "-o", killer.string, source, "-ldl")
  }

  private func mount() throws -> Mounted {
    try Mounted(.ext4, by: ["LD_PRELOAD=\(killer)"])
  }

  /// An open does not get the number of a file that the kernel has closed: that would be EIO.
  @Test(.mountsHandleFS) func noOpenGetsTheNumberOfAClosedFile() throws {
    let mounted = try mount()
    let load = try KillTests.Load(on: mounted, ["locks", "exchange"])
    for _ in 1...10 * soak {
      // A server that has run for so short a time is replaced later each time.
      usleep(150_000)
      let server = try #require(mounted.serverID)
      try write("backing closed", to: mounted.fault)
      #expect(mounted.isFaultReached, "no file was closed")
      try mounted.waitForNewServer(after: server)
      try #require(load.ended.isEmpty, "\(load.ended)\n\(mounted.log.suffix(2000))")
    }
    #expect(try load.finish().isEmpty)
    try mounted.expectHealth()
  }

  /// A file that no server has a number of is not kept: once removed, its blocks are free.
  @Test(.mountsHandleFS) func noFileStaysOpenForEver() throws {
    let mounted = try mount()
    let free = ["stat", "-f", "-c", "%f", mounted.source.string]
    let before = try #require(Int(succeed(free).trimmingCharacters(in: .whitespacesAndNewlines)))
    let file = mounted.mountpoint.appending("file").string
    #expect(try mounted.run(["sh", "-c", #"head -c 8M /dev/zero >"$0"; sync"#, file]).status == 0)
    let server = try #require(mounted.serverID)
    try write("backing opened", to: mounted.fault)
    #expect(try mounted.run(["head", "-c", "1", file]).status == 0)
    #expect(mounted.isFaultReached, "the kernel was given no file")
    try mounted.waitForNewServer(after: server)
    #expect(try mounted.run(["rm", file]).status == 0)
    let isFree = try eventually(seconds: 5) {
      let now = try Int(succeed(free).trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0
      return before - now < 1000
    }
    #expect(isFree, "the blocks of the removed file are still in use")
  }
}
