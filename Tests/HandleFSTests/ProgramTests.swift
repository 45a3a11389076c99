import Foundation
import Glibc
import SystemPackage
import TestSupport
import Testing

/// What happens to a mount when its program is replaced, is gone, or is no such program.
@Suite struct ProgramTests {
  /// The next server and the next supervisor are of the program that has the path then.
  @Test(.mountsHandleFS) func goesOnWithAnotherProgram() throws {
    let mounted = try CopiedMount()
    for _ in 0..<2 {
      try mounted.install()
      // The server is of a file that has no name any more.
      try mounted.kill(.supervisor)
      try mounted.waitForAnother(.supervisor)
      try mounted.expectService()
      try mounted.kill(.server)
      try mounted.waitForAnother(.server)
      try mounted.expectService()
    }
    try mounted.install()
    try mounted.kill(.server)
    try mounted.waitForAnother(.server)
    try mounted.kill(.supervisor)
    try mounted.waitForAnother(.supervisor)
    try mounted.kill(.server)
    try mounted.waitForAnother(.server)
    try mounted.expectService()
  }

  /// Where there is none, a server is started as soon as there is one again; whoever uses the mount
  /// waits for it.
  @Test(.mountsHandleFS) func waitsForItsProgram() throws {
    let mounted = try CopiedMount()
    try unlink(mounted.program)
    try mounted.kill(.server)
    let reader = try Child(["cat", mounted.file.string])
    usleep(300_000)
    #expect(reader.wait(seconds: 0) == nil)
    try mounted.install()
    try mounted.waitForAnother(.server)
    #expect(reader.line(seconds: 10) == "text")
    try mounted.expectService()
  }

  /// The next server is of the program that has the path when it is needed, although one of the former program
  /// was started ahead of time.
  @Test(.mountsHandleFS) func theNextServerIsOfTheNewProgram() throws {
    let mounted = try CopiedMount()
    #expect(eventually(seconds: 10) { !mounted.standbys.isEmpty })
    let standbys = mounted.standbys
    try mounted.install()
    try mounted.kill(.server)
    try mounted.waitForAnother(.server)
    try mounted.expectService()
    #expect(mounted.processes(.server).isDisjoint(with: standbys))
    #expect(standbys.allSatisfy { Glibc.kill($0, 0) != 0 })
  }

  /// Servers that end at once are started more and more seldom.
  @Test(.mountsHandleFS) func doomedServersAreStartedSeldom() throws {
    let mounted = try CopiedMount()
    try mounted.installDoomed()
    try mounted.kill(.server)
    usleep(1_500_000)
    let count = try mounted.starts("serve")
    #expect(2...30 ~= count, "\(count) in 1.5 seconds")
    try mounted.install()
    try mounted.waitForAnother(.server)
    try mounted.expectService()
  }

  /// Supervisors that end at once are started about once in a second, and the server serves.
  @Test(.mountsHandleFS) func doomedSupervisorsAreStartedSeldom() throws {
    let mounted = try CopiedMount()
    try mounted.installDoomed()
    try mounted.kill(.supervisor)
    usleep(2_500_000)
    let count = try mounted.starts("supervise")
    #expect(2...4 ~= count, "\(count) in 2.5 seconds")
    try mounted.expectService()
    try mounted.install()
    try mounted.waitForAnother(.supervisor)
    try mounted.kill(.server)
    try mounted.waitForAnother(.server)
    try mounted.expectService()
  }
}

/// A mount by a copy of the program, in the background; taken down with the value.
private final class CopiedMount {
  enum Role: String {
    case supervisor = "supervise"
    case server = "serve"
  }

  private let volume: Volume
  private let directory: TemporaryDirectory
  private let original: String
  /// The copy.
  let program: FilePath
  private let mountpoint: FilePath
  /// A line of text, through the mount.
  var file: FilePath { mountpoint.appending("file") }
  private var starts: FilePath { directory.appending("starts") }

  init() throws {
    original = try #require(Mounted.program)
    volume = try Volume(.ext4)
    directory = try TemporaryDirectory()
    let path = try #require(realpath(directory.path.string, nil))
    defer { free(path) }
    program = FilePath(String(cString: path)).appending("program")
    mountpoint = FilePath(String(cString: path)).appending("mounted")
    try FileManager.default.createDirectory(
      atPath: mountpoint.string, withIntermediateDirectories: false)
    try write("text\n", to: volume.path.appending("file"))
    try install()
    let store = directory.appending("store").string
    try succeed(
      "timeout", "-s", "KILL", "20", program.string, volume.path.string, mountpoint.string,
      "--store", store)
  }

  /// Puts another copy in the place of the one that is there.
  func install() throws {
    let next = directory.appending("next")
    try succeed("cp", original, next.string)
    try rename(next, to: program)
  }

  /// Puts a program there that notes that it was started, and ends.
  func installDoomed() throws {
    let next = directory.appending("next")
    try write("#!/bin/sh\necho \"$1\" >>'\(starts)'\nexit 1\n", to: next)
    chmod(next.string, 0o755)
    try rename(next, to: program)
  }

  /// How often that was started for something.
  func starts(_ command: String) throws -> Int {
    try read(starts).split(separator: "\n").count { $0 == command }
  }

  /// The processes of a role; those that have ended do not count.
  func processes(_ role: Role) -> Set<pid_t> { processes(role) { !isStandby($0, $1) } }

  /// The servers that were started ahead of time.
  var standbys: Set<pid_t> { processes(.server, where: isStandby) }

  private func processes(_ role: Role, where isRight: (pid_t, [Substring]) -> Bool) -> Set<pid_t> {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return Set(
      names.compactMap { pid_t($0) }.filter { id in
        // A process that was killed has no words any more.
        let words = (try? read(FilePath("/proc/\(id)/cmdline")))?.split(separator: "\0") ?? []
        return words.starts(with: [program.string[...], role.rawValue[...]]) && isRight(id, words)
      })
  }

  private var killed: Set<pid_t> = []

  func kill(_ role: Role) throws {
    killed = processes(role)
    #expect(killed.count == 1, "\(role)")
    for id in killed { Glibc.kill(id, SIGKILL) }
  }

  /// Waits until another one has the place of the one that was killed.
  func waitForAnother(_ role: Role, _ location: SourceLocation = #_sourceLocation) throws {
    let isThere = eventually(seconds: 10) {
      !self.processes(role).subtracting(self.killed).isEmpty
    }
    try #require(isThere, "no other \(role)", sourceLocation: location)
  }

  /// Files can be read and made.
  func expectService(_ location: SourceLocation = #_sourceLocation) throws {
    let reader = try Child([
      "sh", "-c", #"touch "$0/new" && cat "$1""#, mountpoint.string, file.string,
    ])
    #expect(reader.line(seconds: 10) == "text", sourceLocation: location)
  }

  deinit {
    _ = umount2(mountpoint.string, Int32(MNT_DETACH))
    if eventually(seconds: 5, { self.all.isEmpty }) { return }
    // Each starts the other one: until none is left.
    for _ in 0..<200 {
      for id in all { Glibc.kill(id, SIGKILL) }
      usleep(10_000)
    }
  }

  private var all: Set<pid_t> { processes(.supervisor).union(processes(.server)) }

  /// A program that neither serves nor ends is given up.
  @Test(.mountsHandleFS) func programsThatHangAreGivenUp() throws {
    let mounted = try Mounted(.ext4)
    try write("text", to: mounted.source.appending("file"))
    let program = mounted.volume.path.appending("program")
    try write("#!/bin/sh\nexec sleep 600\n", to: program)
    try succeed("chmod", "755", program.string)
    let answer = try mounted.load("tell", mounted.socket("supervisor"), "restart \(program)")
    #expect(answer.contains("one from the former binary takes over"), "\(answer)")
    #expect(try mounted.run(["cat", "\(mounted.mountpoint)/file"]).output == "text")
    #expect(try mounted.load("tell", mounted.socket("supervisor"), "rest") == "unknown request")
    #expect(try mounted.load("tell", mounted.socket("server"), "") == "unknown request")
  }

  /// If a program that does not serve was put in the place of the one that runs, this one goes on, also
  /// after a kill.
  @Test(.mountsHandleFS) func theFormerProgramIsKept() throws {
    let mounted = try Mounted(.ext4)
    let directory = try TemporaryDirectory()
    try write("text", to: mounted.source.appending("file"))
    let program = directory.appending("handlefs")
    func restart() throws -> String {
      try mounted.load("tell", mounted.socket("supervisor"), "restart \(program)")
    }
    try succeed("cp", try #require(Mounted.program), program.string)
    var answer = try restart()
    #expect(answer.hasPrefix("serving as process "), "\(answer)")
    let broken = directory.appending("broken")
    try write("#!/bin/sh\nexit 1\n", to: broken)
    try succeed("chmod", "755", broken.string)
    try succeed("mv", broken.string, program.string)
    answer = try restart()
    #expect(answer.contains("one from the former binary takes over"), "\(answer)")
    try mounted.expectSoon("cat file", "text", within: 10)
    try mounted.killServing()
    try mounted.expectSoon("cat file", "text", within: 10)
    // Its supervisor is replaced, too.
    try mounted.killSupervisor()
    try mounted.killServing()
    try mounted.expectSoon("cat file", "text", within: 10)
  }
}

extension Mounted {
  /// Where commands reach the supervisor, or the server.
  fileprivate func socket(_ name: String) throws -> String {
    let mounts = try read("/proc/self/mountinfo").split(separator: "\n")
    let mount = try #require(mounts.last { $0.contains(" \(mountpoint) ") })
    return "/run/handlefs/\(mount.split(separator: " ")[2])/\(name)"
  }
}
