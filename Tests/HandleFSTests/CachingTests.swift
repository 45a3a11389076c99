import Foundation
import Glibc
import SystemPackage
import TestSupport
import Testing

/// The kernel believes names and attributes for a day, and yet shows each change behind the mount's back
/// at once.
@Suite struct CachingTests {
  /// Other processes look at the files meanwhile, so that changes meet lookups that are under way.
  @Test(.mountsHandleFS, arguments: shown)
  func changesBehindAreSeen(_ kind: VolumeKind) throws {
    let mounted = try Mounted(kind)
    var medians: [Int] = []
    // On a busy machine processes may have to wait that long for a processor.
    for seed in 1...5 where medians.allSatisfy({ $0 > 10_000 }) {
      let (source, through) = ("\(mounted.source)/\(seed)", "\(mounted.mountpoint)/\(seed)")
      #expect(mkdir(source, 0o755) == 0)
      let times = try mounted.load("changes", source, through, "3", "5000", "\(seed)")
      medians.append(try #require(times.split(separator: " ").first.flatMap { Int($0) }))
    }
    #expect(medians.contains { $0 <= 10_000 }, "medians of \(medians) microseconds")
    #expect(try #require(mounted.status()["changes_behind"]) > 0)
  }

  /// What the kernel knows and nobody changes, it does not ask for again.
  @Test(.mountsHandleFS)
  func unchangedFilesAreCached() throws {
    let mounted = try Mounted(.ext4)
    try succeed("mkdir", mounted.source.appending("tree").string)
    try succeed(product("mountload"), "tree", mounted.source.appending("tree").string, "3", "50")
    let look = ["find", mounted.mountpoint.string, "-newer", mounted.mountpoint.string]
    let absent = ["ls", mounted.mountpoint.appending("absent").string]
    _ = try (mounted.run(look), mounted.run(absent))
    usleep(1_200_000)
    let before = try mounted.requests(["lookup", "getattr"])
    _ = try (mounted.run(look), mounted.run(absent))
    // Reading a directory changes when it was last read.
    let directories = 4
    #expect(try mounted.requests(["lookup", "getattr"]) <= before + 2 * directories)
    // What is done through the mount itself is no change behind its back.
    let file = mounted.mountpoint.appending("file").string
    #expect(try mounted.run(["sh", "-c", "echo text > \(file)"]).status == 0)
    usleep(300_000)
    let lookups = try mounted.requests(["lookup"])
    #expect(try mounted.run(["stat", file]).status == 0)
    #expect(try mounted.requests(["lookup"]) == lookups)
  }

  /// What a program writes through the mount is no news to the kernel. What is written behind its back
  /// right after that is, whether the kernel was told the file's attributes in between or not.
  @Test(.mountsHandleFS)
  func writesThroughTheMountAreNoNews() throws {
    let mounted = try Mounted(.ext4)
    let before = try #require(mounted.status()["changes_behind"])
    for i in 0..<100 { try write("text", to: mounted.mountpoint.appending("\(i)")) }
    usleep(100_000)
    #expect(try #require(mounted.status()["changes_behind"]) <= before + 10)
    for i in 0..<100 {
      let (through, behind) = (
        mounted.mountpoint.appending("\(i)"), mounted.source.appending("\(i)")
      )
      try write("longer text", to: through)
      if i % 2 == 0 { #expect(size(through) == 11) }
      if i % 4 < 2 { usleep(10_000) }
      try write("the longest text", to: behind)
      #expect(eventually(seconds: 5) { size(through) == 16 }, "file \(i)")
    }
  }

  private func size(_ file: FilePath) -> Int? {
    var status = Glibc.stat()
    return stat(file.string, &status) == 0 ? Int(status.st_size) : nil
  }

  @Test(.mountsHandleFS)
  func timeIsAsGiven() throws {
    let mounted = try Mounted(.ext4, ["--cache-timeout", "0"])
    try write("text", to: mounted.source.appending("file"))
    let look = ["stat", mounted.mountpoint.appending("file").string]
    #expect(try mounted.run(look).status == 0)
    let before = try mounted.requests(["lookup", "getattr"])
    #expect(try mounted.run(look).status == 0)
    #expect(try mounted.requests(["lookup", "getattr"]) > before)
  }

  /// However many events come while the server stands still, none is lost.
  @Test(.mountsHandleFS)
  func changesWhileTheServerStandsStillAreSeen() throws {
    let mounted = try Mounted(.ext4, format: ["-N", "30000"])
    let directory = mounted.source.appending("directory")
    try succeed("mkdir", directory.string, mounted.source.appending("many").string)
    for name in ["changed", "removed", "renamed"] {
      try write("old", to: directory.appending(name))
    }
    let through = mounted.mountpoint.appending("directory").string
    let look = ["sh", "-c", "cd \(through) && stat -c '%n %s' changed removed renamed new added"]
    let holder = try mounted.hold("directory/changed", as: "path")
    #expect(try mounted.run(look).output.contains("changed 3"))
    let server = try #require(mounted.serverID)
    try stop(server)
    try succeed(
      product("mountload"), "tree", mounted.source.appending("many").string, "10", "2000")
    try write("longer", to: directory.appending("changed"))
    try succeed("rm", directory.appending("removed").string)
    try succeed(
      "mv", directory.appending("renamed").string, directory.appending("new").string)
    try write("added", to: directory.appending("added"))
    #expect(kill(server, SIGCONT) == 0)
    let isSeen = try eventually(seconds: 10) {
      try mounted.run(look).output == "changed 6\nnew 3\nadded 5\n"
    }
    #expect(isSeen)
    #expect(holder.ask("stat") == "links 1, size 6")
  }

  /// Who works in a directory that was just made behind the mount's back can say where that is, also
  /// when the kernel is told of the new name.
  @Test(.mountsHandleFS, arguments: shown)
  func newDirectoriesKeepTheirNames(_ kind: VolumeKind) throws {
    let mounted = try Mounted(kind)
    let program = """
      import os, sys, time
      source, through = sys.argv[1:]
      for i in range(20):
          os.mkdir(f"{source}/{i}")
          os.chdir(f"{through}/{i}")
          time.sleep(0.02)
          assert os.getcwd() == f"{through}/{i}"
      """
    let result = try mounted.run(
      ["python3", "-c", program, mounted.source.string, mounted.mountpoint.string])
    #expect(result.status == 0, "\(result.errors)")
  }

  /// While no server runs, nobody hears of changes.
  @Test(.mountsHandleFS)
  func changesBetweenServersAreSeen() throws {
    let mounted = try Mounted(.xfs)
    let directory = mounted.source.appending("directory")
    try succeed("mkdir", directory.string)
    for name in ["changed", "removed"] { try write("old", to: directory.appending(name)) }
    let through = mounted.mountpoint.appending("directory").string
    let look = ["sh", "-c", "cd \(through) && stat -c '%n %s' changed removed added"]
    let holder = try mounted.hold("directory/changed", as: "path")
    #expect(try mounted.run(look).output == "changed 3\nremoved 3\n")
    let supervisor = try #require(mounted.supervisorID)
    try stop(supervisor)
    let server = try mounted.killServer()
    try write("longer", to: directory.appending("changed"))
    try succeed("rm", directory.appending("removed").string)
    try write("added", to: directory.appending("added"))
    #expect(kill(supervisor, SIGCONT) == 0)
    try mounted.waitForNewServer(after: server)
    #expect(
      try eventually(seconds: 5) { try mounted.run(look).output == "changed 6\nadded 5\n" })
    #expect(eventually(seconds: 5) { holder.ask("stat") == "links 1, size 6" })
  }

  /// A server that is killed while the kernel is told of a change must be able to end, and what it had
  /// not told must be told by the next one.
  @Test(.mountsHandleFS)
  func changesAmongKillsAreSeen() throws {
    let mounted = try Mounted(.ext4)
    let user = try Child(
      "mountload",
      ["changes", mounted.source.string, mounted.mountpoint.string, "5", "10000", "1"])
    while user.wait(seconds: 0.2) == nil { mounted.serverID.map { _ = kill($0, SIGKILL) } }
    #expect(user.wait(seconds: 20) == 0, "\(user.pid): \(mounted.log.suffix(2000))")
    user.kill()
  }

  /// A file changes while the reply to its lookup is being made, or is on its way: the server is held
  /// there. The kernel does not know the file yet when the server hears of the change.
  @Test(.mountsHandleFS, arguments: ["status read", "time chosen"])
  func changesDuringALookupAreSeen(_ point: String) throws {
    let mounted = try Mounted(.ext4)
    let file = mounted.source.appending("file")
    try write("old", to: file)
    let look = ["stat", "-c", "%s", mounted.mountpoint.appending("file").string]
    let before = try #require(mounted.status()["changes_behind"])
    try write(point, to: mounted.fault)
    let user = try Child(look)
    #expect(mounted.isFaultReached, "no lookup came by '\(point)'")
    try write("longer", to: file)
    #expect(try eventually(seconds: 10) { try mounted.status()["changes_behind"] ?? 0 > before })
    // The change may have been several events.
    usleep(100_000)
    try write("", to: mounted.fault)
    #expect(user.wait(seconds: 20) == 0)
    #expect(try eventually(seconds: 5) { try mounted.run(look).output == "6\n" })
  }

  /// What a server had heard of and not handled when it was killed, the next one handles.
  @Test(.mountsHandleFS, arguments: shown)
  func changesHeardOfBeforeAKillAreSeen(_ kind: VolumeKind) throws {
    let mounted = try Mounted(kind)
    let look = ["stat", mounted.mountpoint.appending("absent").string]
    #expect(try mounted.run(look).status != 0)
    let server = try #require(mounted.serverID)
    try write("events read", to: mounted.fault)
    try write("text", to: mounted.source.appending("absent"))
    #expect(mounted.isFaultReached, "the server heard of nothing")
    try mounted.waitForNewServer(after: server)
    #expect(try eventually(seconds: 5) { try mounted.run(look).status == 0 })
  }

  /// After a kill all open files count as open for writing, and the kernel is not told that such a file was
  /// written. But of one that is open for reading only it believes what the killed server has said.
  @Test(.mountsHandleFS)
  func changesOfOpenFilesRightAfterAKillAreSeen() throws {
    let mounted = try Mounted(.ext4)
    let file = mounted.source.appending("file")
    try write("old", to: file)
    let through = mounted.mountpoint.appending("file").string
    let user = try Child(["sh", "-c", #"exec 3<"$0"; echo open; read line"#, through])
    #expect(user.line(seconds: 20) == "open")
    let look = ["stat", "-c", "%s", through]
    #expect(try mounted.run(look).output == "3\n")
    let server = try #require(mounted.serverID)
    try write("about to tell of all", to: mounted.fault)
    try mounted.killServer()
    try mounted.waitForNewServer(after: server)
    #expect(mounted.isFaultReached, "the new server tells the kernel nothing")
    try write("longer", to: file)
    #expect(try eventually(seconds: 5) { try mounted.run(look).output == "6\n" })
    try write("", to: mounted.fault)
    user.kill()
  }

  /// Nothing tells what changes in a file through a mapping, so the kernel asks for the attributes of
  /// open files.
  @Test(.mountsHandleFS)
  func openFilesAreAskedFor() throws {
    let mounted = try Mounted(.ext4)
    try write("text", to: mounted.source.appending("file"))
    let look = ["stat", "-c", "%y", mounted.mountpoint.appending("file").string]
    let before = try mounted.run(look).output
    let text = "\(mounted.mountpoint.appending("file"))"
    let program = """
      import mmap, os, sys
      file = os.open(sys.argv[1], os.O_RDWR)
      memory = mmap.mmap(file, 4)
      print(os.stat(sys.argv[1]).st_mtime_ns)
      memory[0:1] = b"T"
      sys.stdout.flush()
      import time
      time.sleep(0.1)
      print(os.stat(sys.argv[1]).st_mtime_ns)
      """
    let times = try mounted.run(["python3", "-c", program, text]).output.split(separator: "\n")
    #expect(times.count == 2)
    #expect(times.first != times.last)
    #expect(try mounted.run(look).output != before)
  }

  /// On a filesystem on which other machines or unseen layers may change files, a change is seen after a
  /// second.
  @Test(.mountsHandleFS)
  func changesOfOverlaysAreSeen() throws {
    let upper = try Volume(.ext4)
    for name in ["lower", "upper", "work"] { try succeed("mkdir", "\(upper.path)/\(name)") }
    let mounted = try Mounted(.ext4, ["--cross-mounts"])
    try succeed("mkdir", mounted.source.appending("overlay").string)
    let overlay = try Mount(
      [
        "-t", "overlay", "-o",
        "nfs_export=on,index=on,lowerdir=\(upper.path)/lower,upperdir=\(upper.path)/upper,"
          + "workdir=\(upper.path)/work", "overlay",
      ], at: mounted.source.appending("overlay"))
    try write("old", to: overlay.path.appending("file"))
    let look = ["stat", "-c", "%s", mounted.mountpoint.appending("overlay/file").string]
    #expect(try mounted.run(look).output == "3\n")
    try write("longer", to: overlay.path.appending("file"))
    #expect(try eventually(seconds: 3) { try mounted.run(look).output == "6\n" })
  }
}

/// The threads that answer requests.
@Suite struct ServingTests {
  /// The thread that serves a busy client does not sleep between its requests, but once they end, the
  /// server takes no processor.
  @Test(.mountsHandleFS)
  func sleepsWhenNothingCanBeDone() throws {
    let mounted = try Mounted(.ext4, ["--cache-timeout", "0"])
    for _ in 0..<2000 { _ = access(mounted.mountpoint.appending("absent").string, F_OK) }
    usleep(500_000)
    let before = try ticks(of: mounted)
    usleep(1_000_000)
    #expect(try ticks(of: mounted) <= before + 10)
  }

  /// Returns how long a server has used processors, in hundredths of a second (`proc_pid_stat(5)`).
  private func ticks(of mounted: Mounted) throws -> Int {
    let server = try #require(mounted.serverID)
    let words = try read(FilePath("/proc/\(server)/stat")).split(separator: " ")
    return try #require(Int(words[13])) + #require(Int(words[14]))
  }

  /// One thread does everything, on one processor: the server waits for nothing that it has to do itself.
  @Test(.mountsHandleFS) func oneThreadIsEnough() throws {
    let mounted = try Mounted(.ext4, ["--threads", "1", "--cpus", "0"])
    let status = try read(FilePath("/proc/\(mounted.serverID ?? 0)/status"))
    #expect(status.contains("Cpus_allowed_list:\t0\n"))
    try mounted.load("changes", mounted.source.string, mounted.mountpoint.string, "2", "5000", "1")
  }

  /// While a thread waits for long, another answers, though nothing queued before.
  @Test(.mountsHandleFS) func oneThatWaitsHoldsUpNobody() throws {
    let mounted = try Mounted(.ext4)
    let volume = mounted.volume.path.string
    try succeed("fsfreeze", "--freeze", volume)
    defer { _ = try? succeed("fsfreeze", "--unfreeze", volume) }
    let user = try Child(["mkdir", mounted.mountpoint.appending("directory").string])
    usleep(300_000)
    for _ in 0..<10 {
      #expect(try mounted.run(["stat", "-f", mounted.mountpoint.string], seconds: 10).status == 0)
    }
    #expect(user.wait(seconds: 0) == nil)
    try succeed("fsfreeze", "--unfreeze", volume)
    #expect(user.wait(seconds: 20) == 0)
  }
}

extension Mounted {
  /// How many requests of some kinds the server had.
  fileprivate func requests(_ kinds: [String]) throws -> Int {
    let status = try run(
      [Self.program ?? "", "status", mountpoint.string, "--format", "json"], seconds: 20)
    #expect(status.status == 0, "\(status.errors)\n\(log.suffix(2000))")
    let object = try JSONSerialization.jsonObject(with: Data(status.output.utf8))
    let operations = (object as? [String: Any])?["operations"] as? [String: [String: Double]]
    return kinds.map { Int(operations?[$0]?["requests"] ?? 0) }.reduce(0, +)
  }
}
