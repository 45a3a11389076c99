import Foundation
import SystemPackage
import TestSupport
import Testing

/// What a caller may do to the filesystem below is what it may do through the mount.
@Suite struct PrivilegeTests {
  private static let asNobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]

  /// Then the kernel does not say who the caller is.
  private static let allowingMaps = ["--passthrough", "off", "--allow-idmap"]

  /// What is reserved for root is not given to others.
  @Test(
    .mountsHandleFS,
    arguments: [["--passthrough", "auto"], ["--passthrough", "off"], allowingMaps])
  func reservedBlocks(_ options: [String]) throws {
    let mounted = try Mounted(.ext4, options, megabytes: 48, format: ["-m", "40"])
    func fill(_ directory: FilePath, _ user: [String]) throws -> Int {
      let file = directory.appending("large").string
      let result = try mounted.run(user + ["dd", "if=/dev/zero", "of=\(file)", "bs=64k"])
      #expect(result.errors.contains("No space left on device"))
      let size = try mounted.run(["stat", "-c", "%s", file]).output
      return try #require(Int(size.trimmingCharacters(in: .whitespacesAndNewlines)))
    }
    try FileManager.default.setAttributes(
      [.posixPermissions: 0o777], ofItemAtPath: mounted.source.string)
    // Not if root has the file open too.
    let bare = try fill(mounted.source, Self.asNobody)
    try succeed("truncate", "-s", "0", mounted.source.appending("large").string)
    try succeed("sync", "-f", mounted.source.string)
    let root = try mounted.hold("large")
    let through = try fill(mounted.mountpoint, Self.asNobody)
    #expect(abs(bare - through) < 1 << 20, "\(bare) and \(through)")
    root.kill()
    try unlink(mounted.source.appending("large"))
    func expectNothingKept() throws {
      #expect(
        try eventually(seconds: 5) {
          let status = try mounted.status()
          return status["files_kept_by_kernel"] == 0 && status["files_without_name"] == 0
        })
    }
    try mounted.waitForNewServer(after: mounted.killServer())
    try expectNothingKept()
    for user in [Self.asNobody, []] {
      let bare = try fill(mounted.source, user)
      try unlink(mounted.source.appending("large"))
      let through = try fill(mounted.mountpoint, user)
      #expect(try mounted.run(["rm", "\(mounted.mountpoint)/large"]).status == 0)
      try expectNothingKept()
      #expect(abs(bare - through) < 1 << 20, "\(user.first ?? "root"): \(bare) and \(through)")
    }
  }

  /// A file that can be written at its end only is written there, and each line once.
  @Test(.mountsHandleFS, arguments: ["auto", "off"]) func appendOnly(_ passthrough: String) throws {
    let mounted = try Mounted(.ext4, ["--passthrough", passthrough], megabytes: 256)
    let file = mounted.source.appending("log")
    try write("begin\n", to: file)
    try succeed("chattr", "+a", file.string)
    defer { _ = try? succeed("chattr", "-a", file.string) }
    let through = mounted.mountpoint.appending("log").string
    #expect(try mounted.run(["cp", "/etc/hostname", through]).errors.contains("not permitted"))
    let lines = (1...300).map { "line \($0)\n" }
    let writer = try Child(
      [
        "sh", "-ec", #"i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo "line $i" >>"$0"; done"#,
        through,
      ])
    while writer.wait(seconds: 0.13) == nil {
      let server = try mounted.killServer()
      try mounted.waitForNewServer(after: server)
    }
    #expect(writer.wait() == 0)
    #expect(try read(file) == "begin\n" + lines.joined())
    #expect(try mounted.run(["cat", through]).output == "begin\n" + lines.joined())
    // Nor twice what a server that was killed has written in part.
    let block = mounted.volume.path.appending("block")
    try succeed("dd", "if=/dev/urandom", "of=\(block)", "bs=1M", "count=1")
    let large = try Child(
      [
        "sh", "-ec", #"for i in $(seq 80); do dd if="$0" bs=1M status=none >>"$1"; done"#,
        block.string, through,
      ])
    while large.wait(seconds: 0.13) == nil {
      let server = try mounted.killServer()
      try mounted.waitForNewServer(after: server)
    }
    #expect(large.wait() == 0)
    let start = "\(("begin\n" + lines.joined()).utf8.count + 1)"
    let compare =
      #"for i in $(seq 80); do cat "$0"; done | { tail -c "+$1" "$2" | cmp - /dev/fd/3; } 3<&0"#
    try succeed("bash", "-c", compare, block.string, start, file.string)
    // When it can be written anywhere again, that is done.
    try succeed("chattr", "-a", file.string)
    #expect(
      try mounted.run(["dd", "if=/dev/zero", "of=\(through)", "bs=1", "count=1"]).status == 0)
    #expect(try read(file) == "\0")
  }

  /// Ways to write to a program, which stays the same by that: `$0` is the program, `$1` a copy.
  private static let writing = [
    #"dd if="$1" of="$0" bs=4k count=1 conv=notrunc oflag=direct"#,
    #"dd if="$1" of="$0" bs=4k count=1 conv=notrunc"#,
    #"dd if="$1" of="$0" bs=1 count=1 conv=notrunc"#,
    #"dd if="$1" of="$0" bs=1M conv=notrunc oflag=direct"#,
    #"fallocate -o 0 -l 4096 "$0""#,
    #"fallocate -n -o 1M -l 4096 "$0""#,
    #"truncate -s "$(stat -c %s "$0")" "$0""#,
    #"cp "$1" "$0""#,
  ]

  /// What somebody else has written to does not run with the rights of its owner, not even for a moment, and
  /// not when the server is killed meanwhile.
  @Test(.mountsHandleFS, arguments: shown) func whatWasWrittenHasNoPrivileges(_ kind: VolumeKind)
    throws
  {
    let mounted = try Mounted(kind, ["--cache-timeout", "3600"])
    let (copy, program) = (mounted.volume.path.appending("id"), mounted.mountpoint.appending("id"))
    try succeed("cp", "/usr/bin/id", copy.string)
    try succeed("cp", "/usr/bin/id", mounted.source.appending("id").string)
    for way in Self.writing {
      for kills in [false, true] {
        #expect(try mounted.run(["chmod", "4777", program.string]).status == 0)
        #expect(try mounted.run(Self.asNobody + [program.string, "-u"]).output == "0\n")
        let writer = try Child(
          Self.asNobody + ["sh", "-c", way + " 2>/dev/null", program.string, copy.string])
        if kills {
          usleep(.random(in: 1000...8000))
          try mounted.waitForNewServer(after: mounted.killServer())
        }
        #expect(writer.wait(seconds: 20) == 0, "\(way)")
        let after = try mounted.run(Self.asNobody + [program.string, "-u"])
        #expect(after.output == "65534\n", "\(way)")
        #expect(try mounted.run(["stat", "-c", "%a", program.string]).output == "777\n", "\(way)")
      }
    }
  }
}
