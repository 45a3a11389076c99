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
    #expect(try first.handleText(names) == second.handleText(names))
    #expect(try first.inodes(names) == second.inodes(names))
    let handle = try first.handleText(["d/file"])
    #expect(try second.load("open-handle", second.mountpoint.string, handle) == "has text")
    try second.perform("mv d/file d/moved; rm d/pipe; echo more >>d/moved; mkdir e")
    try first.expectSoon("ls d; cat d/moved; ls -d e", "link\nmoved\ntext\nmore\ne\n")
    #expect(try second.handleText(["d/moved"]) == handle)
    #expect(try first.handleText(["d/moved"]) == handle)
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
}
