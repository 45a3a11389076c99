import Foundation
import SystemPackage
import TestSupport
import Testing

/// The flags of files, by the usual tools, and the times of files that are mapped to memory. The POSIX
/// table has the system calls.
@Suite struct FlagTests {
  @Test(.mountsHandleFS, arguments: shown) func toolsShowAndChangeThem(_ kind: VolumeKind) throws {
    let mounted = try Mounted(kind, ["--cache-timeout", "3600"])
    let (through, below) = (mounted.mountpoint.string, mounted.source.string)
    let script = #"""
      cd "$0"
      echo text >file; mkdir directory; name=$(printf 'with blank \377'); echo text >"$name"
      before=$(stat -c %z file); sleep 0.02
      chattr +d file directory "$name"
      [ "$(stat -c %z file)" != "$before" ]
      for path in file directory "$name"; do
        [ "$(lsattr -d "$path" | cut -c 1-22)" = "$(lsattr -d "$1/$path" | cut -c 1-22)" ]
        lsattr -d "$path" | cut -c 1-22 | grep -q d
      done
      chattr +i file
      if echo more >file || rm -f file || mv file other; then exit 3; fi
      chattr -i file
      rm file
      if lsattr -d file; then exit 4; fi
      """#
    let result = try mounted.run(["bash", "-ec", script, through, below])
    #expect(result.status == 0, "\(result.errors)")
    mounted.options.append("--read-only")
    try mounted.unmount()
    try mounted.mount()
    #expect(try mounted.run(["mount", "-i", "-o", "remount,rw", through]).status == 0)
    let change = try mounted.run(["chattr", "+A", "\(through)/directory"])
    #expect(change.errors.contains("Read-only file system"), "\(change.errors)")
    #expect(try mounted.run(["lsattr", "-d", "\(through)/directory"]).status == 0)
  }

  /// Also if the server is killed meanwhile.
  @Test(.mountsHandleFS) func changesSurviveKills() throws {
    let mounted = try Mounted(.ext4)
    try write("text", to: mounted.source.appending("file"))
    let script = #"for i in $(seq 60); do chattr +d "$0"; chattr -d +A "$0"; chattr -A "$0"; done"#
    let file = mounted.mountpoint.appending("file").string
    let changes = try Child(["sh", "-ec", script + #"; chattr +S "$0""#, file])
    while changes.wait(seconds: 0.4) == nil {
      try mounted.waitForNewServer(after: mounted.killServer())
    }
    #expect(changes.wait() == 0)
    let flags = try succeed("lsattr", "-d", mounted.source.appending("file").string)
    #expect(flags.prefix(22).filter { "SdA".contains($0) } == "S", "\(flags)")
  }

  /// `cp` on a filesystem whose files can share blocks uses no more of them.
  @Test(.mountsHandleFS, arguments: [VolumeKind.xfs, .btrfs])
  func copiesShareBlocks(_ kind: VolumeKind) throws {
    let mounted = try Mounted(kind)
    try succeed(
      "dd", "if=/dev/urandom", "of=\(mounted.source)/file", "bs=1M", "count=4", "conv=fsync")
    let copy = try mounted.run(["cp", "\(mounted.mountpoint)/file", "\(mounted.mountpoint)/copy"])
    #expect(copy.status == 0, "\(copy.errors)")
    let extents = try succeed("filefrag", "-v", "\(mounted.source)/copy")
    #expect(extents.contains("shared"), "\(extents)")
  }

  /// A store to memory is seen at once in the times of the file, whatever the kernel has been told
  /// before, and after a kill of the server.
  @Test(.mountsHandleFS, arguments: shown) func storesMoveTheTimes(_ kind: VolumeKind) throws {
    let mounted = try Mounted(kind, ["--cache-timeout", "3600"])
    let file = mounted.mountpoint.appending("file").string
    try write(String(repeating: "text", count: 4096), to: mounted.source.appending("file"))
    #expect(try mounted.run(["stat", file]).status == 0)
    let program = try Child("mountload", ["store", file])
    #expect(program.line(seconds: 20) == "mapped")
    for round in 0..<3 {
      let before = try mounted.run(["stat", "-c", "%y %z %b", file]).output
      usleep(20_000)
      program.send("store")
      #expect(program.line(seconds: 20) == "stored")
      let after = try mounted.run(["stat", "-c", "%y %z %b", file]).output
      // A store to memory that is still to be written back moves no time.
      #expect(after != before || round > 0)
      #expect(try after == succeed("stat", "-c", "%y %z %b", "\(mounted.source)/file"))
      try mounted.waitForNewServer(after: mounted.killServer())
    }
    program.kill()
    // Then the kernel may believe them again.
    let isTrusted = try eventually(seconds: 10) {
      _ = try mounted.run(["stat", file])
      let before = try mounted.status()["requests"] ?? 0
      for _ in 0..<10 { _ = try mounted.run(["stat", file]) }
      return try mounted.status()["requests"] ?? 0 < before + 10
    }
    #expect(isTrusted)
  }
}
