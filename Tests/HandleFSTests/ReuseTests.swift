import Foundation
import Glibc
import SystemPackage
import TestSupport
import Testing

/// Inodes that come back for other files, behind the mount's back; and handles of the mount's own.
@Suite struct ReuseTests {
  @Test(.mountsHandleFS, arguments: shown) func neverShowsAnotherFile(_ kind: VolumeKind) throws {
    let mounted = try Mounted(kind, ["--cache-timeout", "0"])
    let command = """
      cd "$0"; i=0
      while [ $i -lt 150 ]; do
        i=$((i + 1)); name=file-$((i % 7))
        echo "content $i" >"$1/$name"
        seen=$(cat $name); [ "$seen" = "content $i" ] || echo "$i is seen as $seen"
        eval "exec $((3 + i % 5))<$name"
        rm "$1/$name"
        echo "content of another $i" >"$1/other"
        seen=$(cat other); [ "$seen" = "content of another $i" ] || echo "other $i: $seen"
        [ -e $name ] && echo "$name is still there"
        seen=$(cat <&$((3 + i % 5)) 2>&1)
        case $seen in
        "content $i" | *Stale*) ;;
        *) echo "the open file $i is seen as $seen" ;;
        esac
        rm "$1/other"
      done
      """
    let result = try mounted.run(
      ["sh", "-c", command, mounted.mountpoint.string, mounted.source.string])
    #expect(result.output == "", "\(result.output.prefix(2000))")
  }

  /// A handle of the mount opens its file after the server was killed and after the filesystem was
  /// mounted again, and no other file ever.
  @Test(.mountsHandleFS, arguments: shown) func handlesStay(_ kind: VolumeKind) throws {
    let mounted = try Mounted(kind, ["--cache-timeout", "0"])
    let names = (0..<20).map { "file-\($0)" }
    for name in names { try write(name, to: mounted.source.appending(name)) }
    let handles = try mounted.handles(names)
    #expect(handles.count == names.count && handles.allSatisfy { $0.hasPrefix("129:") })
    let wanted = names.map { "has \($0)" }
    #expect(try mounted.open(handles) == wanted)
    let server = try mounted.killServer()
    try mounted.waitForNewServer(after: server)
    #expect(try mounted.open(handles) == wanted)
    try mounted.unmount()
    try mounted.mount()
    #expect(try mounted.open(handles) == wanted)
    #expect(try mounted.handles(names) == handles)
    // Some are renamed, some are gone, by way of the mount and without it.
    let through = mounted.mountpoint
    #expect(try mounted.run(["mv", "\(through)/file-0", "\(through)/moved"]).status == 0)
    try rename(mounted.source.appending("file-1"), to: mounted.source.appending("moved too"))
    #expect(try mounted.run(["rm", "\(through)/file-2"]).status == 0)
    try unlink(mounted.source.appending("file-3"))
    for i in 0..<10 { try write("new", to: mounted.source.appending("new-\(i)")) }
    #expect(try mounted.run(["sh", "-c", "cat \(through)/new-*"]).status == 0)
    var expected = wanted
    expected.replaceSubrange(2...3, with: ["ESTALE", "ESTALE"])
    // What was removed without the mount may be in the server's cache, which keeps it.
    let next = try mounted.killServer()
    try mounted.waitForNewServer(after: next)
    let found = try mounted.open(handles)
    #expect(found == expected, "\(found)")
    try mounted.unmount()
    try mounted.mount()
    let again = try mounted.open(handles)
    #expect(again == expected, "\(again)")
  }

  @Test(.mountsHandleFS) func madeUpHandlesAreStale() throws {
    let mounted = try Mounted(.ext4)
    for i in 0..<100 { try write("text \(i)", to: mounted.source.appending("file-\(i)")) }
    #expect(try mounted.run(["ls", "-l", mounted.mountpoint.string]).status == 0)
    let server = mounted.serverID
    let tries = 6000 * soak
    let seed = seed(usually: 5)
    let answer = try mounted.load(
      "forge", mounted.mountpoint.string, "\(seed)", "\(tries)", seconds: 60 * Double(soak))
    #expect(answer == "\(tries) tries", "seed \(seed)")
    #expect(mounted.serverID == server, "the server has gone on: \(mounted.log)")
    #expect(try mounted.run(["cat", "\(mounted.mountpoint)/file-7"]).output == "text 7")
  }
}

extension Mounted {
  /// The handles of files, as the kernel makes them for the mount.
  fileprivate func handles(_ names: [String]) throws -> [String] {
    let result = try run(
      [product("mountload"), "handle"] + names.map { mountpoint.appending($0).string })
    #expect(result.status == 0, "\(result.errors)")
    return result.output.split(separator: "\n").map(String.init)
  }

  /// What is in the files of handles.
  fileprivate func open(_ handles: [String]) throws -> [String] {
    let result = try run([product("mountload"), "open-handle", mountpoint.string] + handles)
    #expect(result.status == 0, "\(result.errors)")
    return result.output.split(separator: "\n").map(String.init)
  }
}
