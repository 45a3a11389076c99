import Foundation
import SystemPackage
import TestSupport
import Testing

/// Which files without a name the server keeps: those that nobody else does.
@Suite struct OrphanTests {
  /// What was not removed is not kept, whether it is open or not.
  @Test(.mountsHandleFS, arguments: ["auto", "off"])
  func keepsNothingThatWasNotRemoved(_ passthrough: String) throws {
    let mounted = try Mounted(.ext4, ["--passthrough", passthrough])
    let through = mounted.mountpoint
    try mounted.load("prepare", mounted.source.string)
    let file = try mounted.hold("file")
    let directory = try mounted.hold("full", as: "directory")
    let refuses = mounted.source.appending("file").string
    try succeed("chattr", "+i", refuses)
    for command in [
      ["rmdir", "\(through)/full"], ["mv", "-T", "\(through)/directory", "\(through)/full"],
      ["unlink", "\(through)/file"], ["mv", "-f", "\(through)/other", "\(through)/file"],
    ] {
      #expect(try mounted.run(command).status != 0, "\(command)")
      #expect(try mounted.status()["files_without_name"] == 0, "\(command)")
    }
    try succeed("chattr", "-i", refuses)
    try mounted.waitForNewServer(after: mounted.killServer())
    #expect(file.ask("read") == "has the file")
    #expect(directory.ask("list") == "file ")
    // And what is removed then is.
    #expect(try mounted.run(["rm", "-r", "\(through)/file", "\(through)/full"]).status == 0)
    #expect(try mounted.status()["files_without_name"] == (passthrough == "off" ? 2 : 1))
    try mounted.waitForNewServer(after: mounted.killServer())
    #expect(file.ask("read") == "has the file")
    #expect(directory.ask("stat")?.hasPrefix("links 0, ") == true)
  }

  /// What is opened only when it has no name any more is kept as well.
  @Test(.mountsHandleFS, arguments: ["auto", "off"])
  func keepsWhatIsOpenedLate(_ passthrough: String) throws {
    let mounted = try Mounted(.ext4, ["--passthrough", passthrough])
    try write("text", to: mounted.source.appending("file"))
    let file = try mounted.hold("file", as: "path")
    #expect(try mounted.run(["rm", "\(mounted.mountpoint)/file"]).status == 0)
    #expect(file.ask("reopen") == "ok")
    for _ in 0..<2 {
      try mounted.waitForNewServer(after: mounted.killServer())
      #expect(file.ask("read") == "has text")
      #expect(file.ask("stat") == "links 0, size 4")
    }
    file.kill()
    #expect(try eventually(seconds: 5) { try mounted.status()["files_without_name"] == 0 })
  }

  /// What the kernel has open needs nobody else.
  @Test(.mountsHandleFS, arguments: shown)
  func keepsNothingThatTheKernelHas(_ kind: VolumeKind) throws {
    let mounted = try Mounted(kind, ["--passthrough", "on"])
    let through = mounted.mountpoint
    let files = try ["removed", "replaced"].map { try mounted.hold($0, creating: $0) }
    try write("new", to: mounted.source.appending("new"))
    #expect(try mounted.run(["rm", "\(through)/removed"]).status == 0)
    #expect(try mounted.run(["mv", "\(through)/new", "\(through)/replaced"]).status == 0)
    for _ in 0..<2 {
      let status = try mounted.status()
      #expect(status["files_without_name"] == 0 && status["files_kept_by_kernel"] == 2)
      try mounted.waitForNewServer(after: mounted.killServer())
      #expect(files.map { $0.ask("read") } == ["has removed", "has replaced"])
      #expect(files.map { $0.ask("stat") } == ["links 0, size 7", "links 0, size 8"])
    }
    for file in files { file.kill() }
    #expect(try eventually(seconds: 5) { try mounted.status()["files_kept_by_kernel"] == 0 })
  }
}
