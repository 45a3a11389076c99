import Foundation
import Glibc
import SystemPackage
import TestSupport
import Testing

/// Several mounts with one store.
@Suite(.serialized) struct SharingTests {
  /// A file is one node, whichever mount shows it: the same inode number, the same file handle.
  @Test(.mountsHandleFS, arguments: shown) func filesHaveOneNode(_ kind: VolumeKind) throws {
    let first = try Mounted(kind)
    let second = try Mounted(sharing: first)
    try first.perform(#"mkdir d; echo text >d/file; ln -s file d/link; mkfifo d/pipe"#)
    try second.expectSoon("cat d/file", "text\n")
    let names = ["", "d", "d/file", "d/link", "d/pipe"]
    #expect(try first.handles(names) == second.handles(names))
    #expect(try first.inodes(names) == second.inodes(names))
    let handle = try first.handles(["d/file"])
    #expect(try second.load("open-handle", second.mountpoint.string, handle) == "has text")
    try second.perform("mv d/file d/moved; rm d/pipe; echo more >>d/moved; mkdir e")
    try first.expectSoon("ls d; cat d/moved; ls -d e", "link\nmoved\ntext\nmore\ne\n")
    #expect(try second.handles(["d/moved"]) == handle)
    #expect(try first.handles(["d/moved"]) == handle)
    #expect(try first.load("open-handle", first.mountpoint.string, handle) == "has text\nmore")
  }

  /// What is changed through one mount is seen on the other within 100 ms, whatever that has cached.
  @Test(.mountsHandleFS, arguments: ["auto", "off"])
  func changesAreSeen(_ passthrough: String) throws {
    let first = try Mounted(.ext4, ["--passthrough", passthrough])
    let second = try Mounted(sharing: first, ["--passthrough", passthrough])
    for (one, other) in [(first, second), (second, first)] {
      for round in 1...20 {
        _ = try other.run(["sh", "-c", #"ls "$0"; cat "$0/file""#, other.mountpoint.string])
        try one.perform("echo \(round) >file; touch new-\(round); chmod \(600 + round % 8) file")
        try other.expectSoon(
          "cat file; ls new-\(round); stat -c %a file",
          "\(round)\nnew-\(round)\n\(600 + round % 8)\n", within: 0.1)
        try one.perform("rm file new-\(round)")
        try other.expectSoon("ls -A", "", within: 0.1)
      }
    }
  }

  /// The kernel of a mount is not told of its own changes.
  @Test(.mountsHandleFS) func ownChangesAreNoNews() throws {
    // With passthrough the kernel closes files in the name of the program.
    let first = try Mounted(.ext4, ["--passthrough", "off"])
    let second = try Mounted(sharing: first)
    let before = (
      first.figure("changes_behind") ?? 0, second.figure("changes_behind") ?? 0
    )
    try first.perform("for i in $(seq 200); do : >f$i; rm f$i; done")
    #expect(
      eventually(seconds: 5) { (second.figure("changes_behind") ?? 0) >= before.1 + 400 })
    #expect(first.figure("changes_behind") ?? 0 < before.0 + 20)
  }

  /// Each mount has its own options.
  @Test(.mountsHandleFS) func oneMayBeReadOnly() throws {
    let first = try Mounted(.ext4)
    let second = try Mounted(sharing: first, ["--read-only", "--cache-timeout", "0"])
    try first.perform("echo text >file")
    #expect(
      try second.run(["sh", "-c", #"echo >"$0/file""#, second.mountpoint.string]).status != 0)
    #expect(try second.run(["cat", second.mountpoint.appending("file").string]).output == "text\n")
    // Even if root takes it for writable.
    try succeed("mount", "-i", "-o", "remount,rw", second.mountpoint.string)
    let answer = try second.run(["touch", second.mountpoint.appending("file").string])
    #expect(answer.errors.contains("Read-only file system"))
    try first.perform("echo more >>file")
    try first.killServing()
    #expect(
      try second.run(["cat", second.mountpoint.appending("file").string]).output == "text\nmore\n")
    try first.perform("rm file")
  }

  /// Two directories of one filesystem; neither mount leads into the other's.
  @Test(.mountsHandleFS) func sourcesMayDiffer() throws {
    let first = try Mounted(.ext4)
    let second = try Mounted(sharing: first, source: first.volume.path.appending("other"))
    try first.perform("echo first >file; ln file link")
    try second.perform("echo second >file")
    let (mine, its) = (try first.handles(["file"]), try second.handles(["file"]))
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

  /// The mounts work on, whichever of the processes is killed.
  @Test(.mountsHandleFS, arguments: [["--passthrough", "auto"], ["--passthrough", "off"]])
  func nothingNoticesKills(_ options: [String]) throws {
    let seed = seed(usually: 3)
    var random = SeededGenerator(seed: seed)
    let first = try Mounted(.ext4, options, megabytes: 768)
    let second = try Mounted(sharing: first, options)
    let loads = [
      try KillTests.Load(on: first, KillTests.loads + ["tar"], prefix: "a-"),
      try KillTests.Load(on: second, KillTests.loads, prefix: "b-"),
    ]
    for round in 1...12 * soak {
      usleep(.random(in: 20_000..<300_000, using: &random))
      let victim = round % 2 == 0 ? first : second
      if round % 4 == 3 {
        // While no server runs, the supervisor is the only one that has files without a name.
        #expect(eventually(seconds: 20) { victim.figure("mounts") == 2 })
        _ = try victim.waitForNewSupervisor(after: victim.killSupervisor())
      } else {
        try victim.waitForNewServer(after: victim.killServer())
      }
      let ended = loads.flatMap(\.ended)
      try #require(
        ended.isEmpty,
        "seed \(seed): \(ended)\n\(first.log.suffix(2000))\n\(second.log.suffix(2000))")
    }
    let failures = try loads.flatMap { try $0.finish() }
    #expect(failures.isEmpty, "seed \(seed): \(failures.joined(separator: "\n"))")
    try second.unmount()
    try first.expectHealth()
  }

  /// A mount goes on when the other is unmounted, whichever has the store open, and the other may come
  /// back.
  @Test(.mountsHandleFS) func eitherMayBeUnmounted() throws {
    let first = try Mounted(.ext4)
    let second = try Mounted(sharing: first, source: first.volume.path.appending("other"))
    #expect(second.figure("pid") == first.serverID.map(Int.init))
    let load = try KillTests.Load(on: second, KillTests.loads)
    let file = try second.hold("held", creating: "text")
    try unlink(second.source.appending("held"))
    let handle = try second.handles(["names"])
    for _ in 1...2 {
      try first.unmount()
      #expect(
        eventually(seconds: 20) {
          second.figure("mounts") == 1 && second.figure("pid") == second.serverID.map(Int.init)
        })
      try first.mount()
      #expect(first.figure("pid") == second.serverID.map(Int.init))
      #expect(second.figure("mounts") == 2)
      try first.perform("echo >file; rm file")
      try #require(load.ended.isEmpty, "\(load.ended)\n\(second.log.suffix(2000))")
    }
    // The guest goes; then all.
    try first.unmount()
    #expect(eventually(seconds: 20) { second.figure("mounts") == 1 })
    #expect(try second.handles(["names"]) == handle)
    #expect(file.ask("read") == "has text")
    let failures = try load.finish()
    #expect(failures.isEmpty, "\(failures.joined(separator: "\n"))")
    file.kill()
    try second.expectHealth()
    let left = try FileManager.default.contentsOfDirectory(atPath: "/run/handlefs")
    let number = try FileManager.default.attributesOfItem(atPath: first.store.string)[
      .systemFileNumber]
    #expect(!left.contains { $0.contains("-\(number ?? "").") }, "\(left)")
  }

  /// All processes of one mount are killed together: the other takes the store.
  @Test(.mountsHandleFS) func outlivesTheOtherMount() throws {
    let first = try Mounted(.ext4)
    let second = try Mounted(sharing: first)
    let file = try second.hold("file", creating: "text")
    let (server, supervisor) = (try #require(first.serverID), try #require(first.supervisorID))
    // The server first: the end of its parent would wake it, and it would start another one.
    try stop(supervisor)
    kill(server, SIGKILL)
    kill(supervisor, SIGKILL)
    #expect(
      eventually(seconds: 20) { second.figure("pid") == second.serverID.map(Int.init) },
      "\(first.log)\(second.log)")
    #expect(file.ask("read") == "has text")
    try second.perform("echo >new; rm new")
    #expect(umount2(first.mountpoint.string, Int32(MNT_DETACH)) == 0)
    try first.mount()
    try first.expectSoon("cat file", "text")
    file.kill()
  }

  /// If a guest is replaced while the host begins to serve its mount, only one of the two begins.
  @Test(.mountsHandleFS) func nothingIsServedTwice() throws {
    let first = try Mounted(.ext4)
    let second = try Mounted(sharing: first)
    let file = try second.hold("file", creating: "text")
    try write("guest mounted", to: first.fault)
    try first.waitForNewServer(after: first.killServer())
    #expect(first.isFaultReached)
    try second.waitForNewServer(after: second.killServer())
    usleep(300_000)
    #expect(!(first.figure("mounts").map { $0 > 1 } ?? true), "a second thread serves the mount")
    try write("", to: first.fault)
    #expect(eventually(seconds: 20) { first.figure("mounts") == 2 })
    #expect(file.ask("read") == "has text")
    file.kill()
  }

  /// A mount is replaced by its own command, and the other goes on.
  @Test(.mountsHandleFS) func eitherMayBeRestarted() throws {
    let first = try Mounted(.ext4)
    let second = try Mounted(sharing: first)
    let load = try KillTests.Load(on: second, ["names", "append", "unlinked"])
    let program = try #require(Mounted.program)
    for _ in 1...3 {
      for mounted in [first, second] {
        let before = (mounted.serverID, mounted.figure("pid"))
        let answer = try mounted.run([program, "restart", mounted.mountpoint.string], seconds: 30)
        #expect(answer.status == 0, "\(answer.errors)")
        #expect(mounted.serverID != before.0)
        #expect(eventually(seconds: 20) { mounted.figure("pid") != before.1 })
      }
      try #require(load.ended.isEmpty, "\(load.ended)\n\(second.log.suffix(2000))")
    }
    let failures = try load.finish()
    #expect(failures.isEmpty, "\(failures.joined(separator: "\n"))")
  }

  /// A file that one mount has removed works on for who has it open through the other, and the node is
  /// not taken away from it.
  @Test(.mountsHandleFS, arguments: ["auto", "off"])
  func removedThroughTheOther(_ passthrough: String) throws {
    let first = try Mounted(.ext4, ["--passthrough", passthrough])
    let second = try Mounted(sharing: first, ["--passthrough", passthrough])
    let file = try second.hold("file", creating: "text")
    try first.perform("rm file")
    try second.expectSoon("ls", "")
    #expect(file.ask("read") == "has text")
    usleep(600_000)
    for mounted in [first, second] {
      try mounted.killServing()
      #expect(file.ask("read") == "has text")
      #expect(file.ask("stat") == "links 0, size 4")
    }
    file.kill()
    #expect(eventually(seconds: 15) { second.figure("files_without_name") == 0 })
  }

  /// A guest's new supervisor gets what is parked, though the host has it.
  @Test(.mountsHandleFS) func parksInTheNextSupervisor() throws {
    let first = try Mounted(.ext4)
    let second = try Mounted(sharing: first, ["--passthrough", "off"])
    let file = try second.hold("file", creating: "text")
    try second.perform("rm file")
    _ = try second.waitForNewSupervisor(after: second.killSupervisor())
    usleep(1_500_000)
    try first.killServing()
    #expect(file.ask("read") == "has text")
    file.kill()
  }

  /// The host keeps nothing of the supervisors that a guest has had.
  @Test(.mountsHandleFS) func forgetsFormerSupervisors() throws {
    let first = try Mounted(.ext4)
    let second = try Mounted(sharing: first)
    try second.perform("ls")
    _ = try second.waitForNewSupervisor(after: second.killSupervisor())
    #expect(eventually(seconds: 10) { second.log.contains("took over") })
    usleep(300_000)
    let before = first.descriptorsOfServer
    for _ in 1...2 {
      usleep(1_000_000)  // A server starts one supervisor a second.
      _ = try second.waitForNewSupervisor(after: second.killSupervisor())
    }
    usleep(300_000)
    #expect(first.descriptorsOfServer == before)
  }

  /// What the host parks for a guest that has just been killed is not lost.
  @Test(.mountsHandleFS) func parksForAGuestThatIsGone() throws {
    let first = try Mounted(.ext4)
    let second = try Mounted(sharing: first, ["--passthrough", "off"])
    for round in 1...3 {
      let file = try second.hold("file", creating: "text")
      let host = pid_t(try #require(second.figure("pid")))
      try stop(host)
      try second.waitForNewServer(after: second.killServer())
      let removal = try Child(["rm", second.mountpoint.appending("file").string])
      usleep(100_000)
      kill(host, SIGCONT)
      #expect(removal.wait(seconds: 20) == 0)
      #expect(eventually(seconds: 20) { second.figure("pid").map { $0 != Int(host) } ?? false })
      #expect(file.ask("read") == "has text", "round \(round)")
      file.kill()
    }
  }

  /// The nodes of removed files are dropped, but not those that another mount's kernel knows.
  @Test(.mountsHandleFS) func housekeepingThinksOfAll() throws {
    guard soak > 1 else { return }  // It takes half a minute.
    let first = try Mounted(.ext4)
    let second = try Mounted(sharing: first)
    let file = try second.hold("file", creating: "text")
    try first.perform("rm file; mkdir d")
    // Housekeeping begins with 10,000 files.
    try succeed(product("mountload"), "tree", first.source.appending("d").string, "11", "1000")
    try first.perform("rm -r d")
    #expect(eventually(seconds: 40) { (first.figure("nodes_dropped") ?? 0) > 10_000 })
    #expect(file.ask("read") == "has text")
    #expect(file.ask("stat") == "links 0, size 4")
    file.kill()
  }

  /// Each mount's clients are told of what happens to the nodes that they watch, and once.
  @Test(.mountsHandleFS) func eachTellsItsWatchers() throws {
    let first = try Mounted(.ext4)
    let second = try Mounted(sharing: first)
    try first.perform("echo >file")
    try second.expectSoon("ls", "file\n")
    let program = try #require(Mounted.program)
    let watchers = try [first, second].map { mounted in
      try Child([
        program, "events", mounted.mountpoint.string, mounted.mountpoint.appending("file").string,
      ])
    }
    for watcher in watchers { #expect(watcher.line(seconds: 10) == #"{"watching":1}"#) }
    try first.killServing()
    for watcher in watchers {
      #expect(watcher.line(seconds: 20)?.contains("watching") == true)
      #expect(watcher.line(seconds: 20)?.contains("overflow") == true)
    }
    // Those that watch now are not taken for absent.
    usleep(11_000_000)
    try second.perform("rm file")
    for watcher in watchers {
      var deletions = 0
      while deletions == 0, let line = watcher.line(seconds: 10) {
        if line.contains("deleteSelf") { deletions += 1 }
      }
      #expect(deletions == 1)
      watcher.kill()
    }
  }

  /// The store drops no node that a mount's kernel knows, also right after a kill.
  @Test(.mountsHandleFS) func nodesOfAllAreKept() throws {
    let first = try Mounted(.ext4, ["--nodes", "1000"])
    let second = try Mounted(sharing: first, source: first.volume.path.appending("other"))
    try succeed(product("mountload"), "tree", second.source.string, "3", "200")
    try succeed(product("mountload"), "tree", first.source.string, "10", "200")
    let directory = try second.hold("directory-0", as: "directory")
    try second.perform("find . -size 1 >/dev/null")
    for _ in 1...3 {
      let guest = try #require(second.serverID)
      try stop(guest)
      try first.waitForNewServer(after: first.killServer())
      try first.perform("find . -size 1 >/dev/null; find . -size 1 >/dev/null")
      usleep(300_000)
      kill(guest, SIGCONT)
      #expect(eventually(seconds: 10) { second.figure("mounts") == 2 })
      #expect(directory.ask("stat")?.hasPrefix("links") == true)
      try second.perform("find . -size 1 >/dev/null")
    }
    #expect(second.figure("errors") == 0)
    directory.kill()
  }

  // MARK: What is refused

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
    // The connection, and what comes with it, need so many.
    let least = before + 22
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

  /// Mounts with full caches make room for others, and for what those do.
  @Test(.mountsHandleFS) func descriptorsSufficeForAll() throws {
    let limit = 200
    let first = try Mounted(.ext4, descriptors: limit)
    try first.perform("for i in $(seq 200); do echo $i >file-$i; done")
    var mounts = [first]
    for _ in 1...3 {
      try mounts.append(Mounted(sharing: first))
      for mounted in mounts {
        try mounted.perform("test $(cat file-* | wc -l) = 200")
        try mounted.perform("test $(stat -c %i file-* | sort -u | wc -l) = 200")
      }
      #expect(1...limit ~= first.descriptorsOfServer)
    }
    #expect(first.serverID.map(Int.init) == mounts[3].figure("pid"))
    #expect(!first.log.contains("error"), "\(first.log)")
  }

  /// What a host logs for a guest is in its own log, and says for which.
  @Test(.mountsHandleFS) func theLogSaysOfWhichMount() throws {
    let first = try Mounted(.ext4)
    let second = try Mounted(sharing: first)
    try first.perform("echo >file")
    let host = try #require(first.serverID)
    try succeed("prlimit", "--pid", "\(host)", "--nofile=20:")
    #expect(try second.run(["cat", second.mountpoint.appending("file").string]).status != 0)
    try succeed("prlimit", "--pid", "\(host)", "--nofile=1000:")
    let lines = first.log.split(separator: "\n").filter { $0.contains("a request failed") }
    #expect(!lines.isEmpty)
    #expect(lines.allSatisfy { $0.contains("mount point=\(second.mountpoint)") }, "\(lines)")
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
    let handles = try mounts.map { try $0.0.handles(["file"]) }
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

  /// The last mount removes what the mounts share, and does not take it away from one that begins.
  @Test(.mountsHandleFS) func oneEndsWhileAnotherBegins() throws {
    let first = try Mounted(.ext4)
    try write("store left", to: first.fault)
    kill(try #require(first.supervisorID), SIGTERM)
    #expect(first.isFaultReached)
    let release = try Child(["sh", "-c", #"sleep 0.5; : >"$0""#, first.fault.string])
    let second = try Mounted(sharing: first)
    #expect(release.wait(seconds: 5) == 0)
    #expect(eventually(seconds: 10) { first.supervisorID == nil })
    let third = try Mounted(sharing: first)
    #expect(third.figure("mounts") == 2)
    #expect(third.figure("pid") == second.serverID.map(Int.init))
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

  /// A damaged store is repaired once, by the mount that has it open, and all mounts go on.
  @Test(.mountsHandleFS, arguments: [false, true])
  func aDamagedStoreIsMendedOnce(_ guestCrashes: Bool) throws {
    let first = try Mounted(.ext4)
    let second = try Mounted(sharing: first)
    try second.perform("for i in $(seq 100); do echo $i >file-$i; done")
    let held = try second.hold("held", creating: "text")
    let data = try FileDescriptor.open(first.store.appending("data.mdb"), .readWrite)
    let size = Int(try data.seek(offset: 0, from: .end))
    try data.writeAll(
      toAbsoluteOffset: 8192, Array(repeating: 0xa5, count: min(size, 4 << 20) - 8192))
    try data.close()
    if guestCrashes {
      kill(try #require(second.serverID), SIGSEGV)
      #expect(eventually(seconds: 20) { first.log.contains("the store is repaired") })
    } else {
      try first.killServing()
    }
    for mounted in [first, second] {
      let all = try mounted.run(["sh", "-c", #"cd "$0" && cat file-*"#, mounted.mountpoint.string])
      #expect(all.status == 0 && all.output.split(separator: "\n").count == 100, "\(all.errors)")
    }
    #expect(held.ask("read") == "has text")
    #expect(first.log.components(separatedBy: "the store is repaired").count == 2, "\(first.log)")
    #expect(!second.log.contains("repair"), "\(second.log)")
    held.kill()
  }

  /// Mounts that begin at the same time, as by `mount -a`, agree on who has the store open.
  @Test(.mountsHandleFS) func mayBeginAtTheSameTime() throws {
    let first = try Mounted(.ext4)
    try first.unmount()
    let places = try (0..<4).map { _ in try TemporaryDirectory() }
    let program = try #require(Mounted.program)
    for _ in 1...3 * soak {
      let commands = try places.map { place in
        try Child([program, first.source.string, place.path.string, "--store", first.store.string])
      }
      for command in commands { #expect(command.wait(seconds: 30) == 0) }
      for place in places {
        #expect(try first.run(["touch", place.appending("file").string]).status == 0)
      }
      let umounts = try places.map { try Child(["umount", $0.path.string]) }
      for umount in umounts { #expect(umount.wait(seconds: 30) == 0) }
    }
    // Nobody serves a mount that is gone, though the store is gone too.
    try? FileManager.default.removeItem(atPath: first.store.string)
    #expect(
      eventually(seconds: 20) {
        places.allSatisfy { (try? run(["pgrep", "-f", $0.path.string]))?.status == 1 }
      })
  }
}

extension Mounted {
  /// Runs commands of `sh` in the mount's root; they must succeed.
  fileprivate func perform(_ script: String, _ location: SourceLocation = #_sourceLocation) throws {
    let result = try run(["sh", "-ec", #"cd "$0"; "# + script, mountpoint.string], location)
    #expect(result.status == 0, "\(result.errors)", sourceLocation: location)
  }

  private func run(_ command: [String], _ location: SourceLocation) throws -> CommandResult {
    try run(command, seconds: 60, location)
  }

  /// Waits until commands of `sh` in the mount's root print a text.
  fileprivate func expectSoon(
    _ script: String, _ text: String, within seconds: Double = 1,
    _ location: SourceLocation = #_sourceLocation
  ) throws {
    var last = ""
    let end = ContinuousClock.now + .seconds(seconds)
    repeat {
      // The time of the process itself does not count.
      let isLate = ContinuousClock.now > end
      last = try run(["sh", "-c", #"cd "$0"; "# + script, mountpoint.string]).output
      if last == text || isLate { break }
    } while true
    #expect(last == text, sourceLocation: location)
  }

  /// A figure of `handlefs status`; `nil` if the server ends while it answers.
  fileprivate func figure(_ name: String) -> Int? {
    let answer = try? run(
      [Self.program ?? "", "status", mountpoint.string, "--format", "json"], seconds: 20)
    let values = try? JSONSerialization.jsonObject(with: Data((answer?.output ?? "").utf8))
    return ((values as? [String: Any])?[name] as? NSNumber)?.intValue
  }

  /// The file handles of files, as text.
  fileprivate func handles(_ names: [String]) throws -> String {
    try load(["handle"] + names.map { mountpoint.pushing(FilePath($0)).string })
  }

  fileprivate func inodes(_ names: [String]) throws -> String {
    try run(["stat", "-c", "%i"] + names.map { mountpoint.pushing(FilePath($0)).string }).output
  }

  /// Kills the process that serves this mount, which may have been started for another one.
  fileprivate func killServing() throws {
    let id = try #require(figure("pid"))
    #expect(kill(pid_t(id), SIGKILL) == 0)
    #expect(eventually(seconds: 20) { figure("pid").map { $0 != id } ?? false })
  }
}
