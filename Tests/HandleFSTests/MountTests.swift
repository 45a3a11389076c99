import Foundation
import Glibc
import SystemPackage
import TestSupport
import Testing

/// How a mount begins, ends, and what it says of itself.
@Suite struct MountTests {
  @Test(.mountsHandleFS) func saysWhatItHasDone() throws {
    let mounted = try Mounted(.ext4)
    try write("text", to: mounted.source.appending("file"))
    let file = try mounted.hold("file")
    let values = try mounted.status()
    #expect(values["pid"] == mounted.serverID.map(Int.init))
    #expect(values["opens"] == 1)
    #expect(values["requests"] ?? 0 > 0)
    #expect(values["nodes_created"] ?? 0 >= 1)
    file.kill()
  }

  /// Each open is counted until it is closed, whichever server it began with.
  @Test(.mountsHandleFS, arguments: ["auto", "off"])
  func countsWhatIsOpen(_ passthrough: String) throws {
    let mounted = try Mounted(.ext4, ["--passthrough", passthrough])
    var holders = [
      try mounted.hold("one", creating: "1"), try mounted.hold("two", creating: "2"),
      try mounted.hold("one"), try mounted.hold("two"),
    ]
    while !holders.isEmpty {
      #expect(
        try eventually(seconds: 5) { try mounted.status()["opens"] == holders.count },
        "\(holders.count) are open")
      let kept = try #require(try mounted.status()["files_kept_by_kernel"])
      #expect(kept == (passthrough == "off" ? 0 : min(2, holders.count)))
      let server = try mounted.killServer()
      try mounted.waitForNewServer(after: server)
      for holder in holders { #expect(holder.ask("read")?.hasPrefix("has ") == true) }
      holders.removeFirst().kill()
    }
    #expect(try eventually(seconds: 5) { try mounted.status()["opens"] == 0 })
    #expect(try mounted.status()["files_kept_by_kernel"] == 0)
  }

  /// What is mounted inside is refused, or crossed on request; never mixed up.
  @Test(.mountsHandleFS) func mountsInside() throws {
    let mounted = try Mounted(.ext4)
    let point = mounted.source.appending("inside")
    try FileManager.default.createDirectory(
      atPath: point.string, withIntermediateDirectories: false)
    try succeed("mount", "-t", "tmpfs", "inside", point.string)
    defer { _ = umount2(point.string, Int32(MNT_DETACH)) }
    try write("in the other one", to: point.appending("file"))
    try write("in this one", to: mounted.source.appending("file"))
    let shown = mounted.mountpoint.appending("inside/file").string
    #expect(try mounted.run(["cat", shown]).errors.contains("Invalid cross-device link"))
    try mounted.unmount()

    mounted.options = ["--cross-mounts"]
    try mounted.mount()
    let names = ["inside/file", "file"].map { mounted.mountpoint.appending($0).string }
    for _ in 0..<2 {
      #expect(try mounted.run(["cat"] + names).output == "in the other onein this one")
      let numbers = try mounted.run(["stat", "-c", "%i"] + names).output.split(separator: "\n")
      #expect(Set(numbers).count == 2)
      #expect(try mounted.run(["mv", names[0], names[1] + "2"]).status == 0)
      #expect(try mounted.run(["mv", names[1] + "2", names[0]]).status == 0)
      try mounted.waitForNewServer(after: mounted.killServer())
    }
    // It does not show itself: it would wait for itself.
    let own = mounted.source.appending("own")
    try FileManager.default.createDirectory(atPath: own.string, withIntermediateDirectories: false)
    try succeed("mount", "--bind", mounted.mountpoint.string, own.string)
    defer { _ = umount2(own.string, Int32(MNT_DETACH)) }
    let within = mounted.mountpoint.appending("own").string
    #expect(try mounted.run(["ls", within]).errors.contains("Invalid cross-device link"))
    #expect(try mounted.run(["ls", "-l", mounted.mountpoint.string]).output.contains("file"))
    #expect(umount2(own.string, Int32(MNT_DETACH)) == 0)
    try mounted.unmount()
  }

  /// Nothing can be changed, and everything be read.
  @Test(.mountsHandleFS, arguments: shown) func canBeReadOnly(_ kind: VolumeKind) throws {
    let mounted = try Mounted(kind, ["--read-only"])
    try mounted.load("prepare", mounted.source.string)
    let before = try succeed("ls", "-lR", mounted.source.string)
    for operation in [
      "create", "make-directory", "make-fifo", "make-symlink", "make-link", "remove-file",
      "remove-directory", "rename-file", "rename-over", "exchange", "create-attribute",
      "remove-attribute",
    ] {
      #expect(try mounted.load("operate", mounted.mountpoint.string, operation) == "EROFS")
    }
    let command = """
      cd "$0"
      cat file; test -r full/file || echo unreadable
      for c in 'chmod 600 file' 'touch file' 'truncate -s 0 file' 'chown 1 file' 'cp file file2' \
        'dd if=/dev/zero of=file conv=notrunc count=1'; do
        $c 2>&1 | grep -q 'Read-only file system' || echo "not refused: $c"
      done
      df . | tail -n 1 | wc -l
      """
    let result = try mounted.run(["sh", "-c", command, mounted.mountpoint.string])
    #expect(result.output == "the file1\n", "\(result.errors)")
    #expect(try succeed("ls", "-lR", mounted.source.string) == before)
    try mounted.killServer()
    #expect(try mounted.run(["cat", "\(mounted.mountpoint)/file"]).output == "the file")
  }

  /// SIGTERM frees the mount point at once; what is open goes on working, also when the server is
  /// killed then; with the last user all ends.
  @Test(.mountsHandleFS, arguments: [["--passthrough", "auto"], ["--passthrough", "off"]])
  func canBeUnmountedWhileItIsUsed(_ options: [String]) throws {
    let mounted = try Mounted(.ext4, options)
    let file = try mounted.hold("file", creating: "some text")
    let directory = try mounted.hold("directory", creating: nil)
    let supervisor = try #require(mounted.supervisorID)
    kill(supervisor, SIGTERM)
    #expect(eventually(seconds: 2) { !mounted.isMounted })
    #expect(file.ask("read") == "has some text")
    #expect(file.ask("write other text") == "ok")
    #expect(try read(mounted.source.appending("file")) == "other text")
    #expect(directory.ask("list") == "nothing")
    try write("x", to: mounted.source.appending("directory/new"))
    #expect(directory.ask("list") == "new ")
    let server = try mounted.killServer()
    try mounted.waitForNewServer(after: server)
    #expect(file.ask("read") == "has other text")
    #expect(file.ask("stat") == "links 1, size 10")
    #expect(directory.ask("list") == "new ")
    for holder in [file, directory] {
      #expect(holder.ask("close") == "ok")
      holder.endInput()
      #expect(holder.wait(seconds: 10) == 0)
    }
    #expect(eventually(seconds: 10) { mounted.serverID == nil && mounted.supervisorID == nil })
  }

  /// Who is told to end does not take what is mounted over it from its place.
  @Test(.mountsHandleFS) func leavesWhatIsOnTop() throws {
    let mounted = try Mounted(.ext4)
    try write("below", to: mounted.source.appending("file"))
    let below = try #require(mounted.supervisorID)
    let point = mounted.mountpoint.string
    #expect(try mounted.run(["mount", "-t", "tmpfs", "top", point]).status == 0)
    let fill = #"printf "on top" >"$0/file""#
    #expect(try mounted.run(["sh", "-c", fill, point]).status == 0)
    func shown() throws -> String {
      try mounted.run(["cat", "\(mounted.mountpoint)/file"]).output
    }
    #expect(try shown() == "on top")
    kill(below, SIGTERM)
    #expect(eventually(seconds: 10) { mounted.log.contains("not unmounted") })
    #expect(try shown() == "on top")
    #expect(try mounted.run(["umount", point]).status == 0)
    #expect(try shown() == "below")
    try mounted.unmount()
  }

  /// A full disk below the store is an error of those who make new files, and leaves nothing of them;
  /// what is known is served, by the next server too.
  @Test(.mountsHandleFS) func aStoreWithoutRoom() throws {
    let disk = try Volume(.ext4, megabytes: 16, format: ["-b", "4096"])
    let mounted = try Mounted(.ext4, ["--store", disk.path.appending("store").string])
    try write("text", to: mounted.source.appending("known"))
    let known = mounted.mountpoint.appending("known").string
    #expect(try mounted.run(["cat", known]).output == "text")
    let ballast = try Ballast(in: disk.path)
    let new = mounted.mountpoint.appending("new").string
    #expect(try mounted.run(["mkdir", new]).status == 0)
    let filled = try mounted.load("fill", new).split(separator: " ")
    #expect(filled.first == "ENOSPC")
    for _ in 0..<2 {
      let names = try succeed("ls", mounted.source.appending("new").string)
      #expect("\(names.split(separator: "\n").count)" == filled.last ?? "")
      #expect(try mounted.run(["cat", known]).output.hasPrefix("text"))
      #expect(try mounted.run(["sh", "-c", "echo more >>\(known)"]).status == 0)
      let server = try mounted.killServer()
      try mounted.waitForNewServer(after: server)
    }
    try ballast.remove()
    #expect(try mounted.run(["cp", known, "\(known)-2"]).status == 0)
    #expect(try mounted.run(["cat", "\(known)-2"]).output == "textmore\nmore\n")
    try mounted.unmount()
  }

  /// What has no name any more goes on as long as it is used, whoever is killed.
  @Test(.mountsHandleFS, arguments: shown) func keepsWhatIsOpen(_ kind: VolumeKind) throws {
    for passthrough in ["auto", "off"] {
      let mounted = try Mounted(kind, ["--passthrough", passthrough])
      let file = try mounted.hold("file", creating: "some text")
      let directory = try mounted.hold("directory", creating: nil)
      let through = mounted.mountpoint
      #expect(
        try mounted.run(["rm", "-d", "\(through)/file", "\(through)/directory"]).status == 0)
      for round in 1...3 {
        let server = try mounted.killServer()
        try mounted.waitForNewServer(after: server)
        #expect(file.ask("read") == (round == 1 ? "has some text" : "has round \(round - 1)"))
        #expect(file.ask("write round \(round)") == "ok")
        #expect(file.ask("stat") == "links 0, size 7")
        #expect(directory.ask("stat")?.hasPrefix("links 0, ") == true)
        // Its name and perhaps its inode number belong to another file.
        try write("another", to: mounted.source.appending("file"))
        #expect(try mounted.run(["cat", "\(through)/file"]).output == "another")
        #expect(file.ask("read") == "has round \(round)")
        #expect(try mounted.run(["rm", "\(through)/file"]).status == 0)
        // The next supervisor has it from this server, which did not park it itself.
        let supervisor = try mounted.killSupervisor()
        _ = try mounted.waitForNewSupervisor(after: supervisor)
        usleep(100_000)
      }
      file.kill()
      directory.kill()
    }
  }
}

extension Mounted {
  /// A new file (or a directory, if no contents are given), held open through the mount.
  func hold(_ name: String, creating contents: String?) throws -> Child {
    if let contents {
      try write(contents, to: source.appending(name))
    } else {
      try FileManager.default.createDirectory(
        atPath: source.appending(name).string, withIntermediateDirectories: false)
    }
    return try hold(name, as: contents == nil ? "directory" : "file")
  }

  /// The numbers that the command tells.
  func status() throws -> [String: Int] {
    let status = try run(
      [Self.program ?? "", "status", mountpoint.string, "--format", "json"], seconds: 20)
    #expect(status.status == 0, "\(status.errors)")
    let values = try JSONSerialization.jsonObject(with: Data(status.output.utf8))
    return (values as? [String: Any] ?? [:]).compactMapValues { ($0 as? NSNumber)?.intValue }
  }

  func unmountIfMounted() throws {
    if isMounted { try unmount() }
  }
}

extension Child {
  /// Sends a line, and returns the answer; `nil` if that takes too long.
  func ask(_ line: String) -> String? {
    send(line)
    return self.line(seconds: 20)
  }
}
