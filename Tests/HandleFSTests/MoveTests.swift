import Foundation
import SystemPackage
import TestSupport
import Testing

/// A file handle of the mount opens its file wherever that was moved by the mount.
@Suite(.serialized) struct MoveTests {
  @Test(.mountsHandleFS, arguments: shown) func handlesFollowTheirFiles(_ kind: VolumeKind) throws {
    let mounted = try Mounted(kind)
    let before = ["a/moved", "a/linked", "a/left", "b/right", "a/sub/deep/file", "a/again"]
    try mounted.fill(before)
    let handles = try mounted.handles(before)
    try mounted.perform(
      """
      mv a/moved b/moved
      ln a/linked b/linked; rm a/linked
      \(exchange) a/left b/right
      mv a/sub b/sub
      ln a/again b/again; ln b/again c/again; rm a/again; mv b/again d/again; rm c/again
      """)
    try mounted.expect(handles, open: before)
    try mounted.unmount()
    try mounted.mount()
    try mounted.expect(handles, open: before)
  }

  /// A move of which the server was killed before it had recorded it.
  @Test(.mountsHandleFS) func aMoveThatComesAgainIsRecorded() throws {
    let mounted = try Mounted(.ext4)
    try mounted.fill(["a/moved"])
    let handles = try mounted.handles(["a/moved"])
    try write("rename acted", to: mounted.fault)
    let server = try #require(mounted.serverID)
    try mounted.perform("mv a/moved b/moved")
    try? FileManager.default.removeItem(atPath: mounted.fault.string)
    try mounted.waitForNewServer(after: server)
    try mounted.unmount()
    try mounted.mount()
    try mounted.expect(handles, open: ["a/moved"])
  }

  /// What is not inside any more is stale, whether the kernel knows it or not.
  @Test(.mountsHandleFS, arguments: shown) func whatWentOutIsStale(_ kind: VolumeKind) throws {
    let mounted = try Mounted(kind)
    try mounted.fill(["a/moved", "a/linked", "a/sub/file"])
    let handles = try mounted.handles(["a/moved", "a/linked", "a/sub/file"])
    try mounted.perform("mv a/moved b/moved; ln a/linked b/linked")
    try succeed(
      "sh", "-c",
      #"cd "$0"; mv source/b/moved moved; mv source/a/sub sub; mv source/b/linked linked; rm source/a/linked"#,
      mounted.volume.path.string)
    try mounted.forgetAll()
    #expect(try mounted.open(handles) == ["ESTALE", "ESTALE", "ESTALE"])
    try mounted.unmount()
    try mounted.mount()
    #expect(try mounted.open(handles) == ["ESTALE", "ESTALE", "ESTALE"])
    try succeed("sh", "-c", #"cd "$0"; mv moved linked sub source/a"#, mounted.volume.path.string)
    try mounted.perform("cat a/moved a/linked a/sub/file")
    #expect(try mounted.open(handles) == ["a/moved", "a/linked", "a/sub/file"])
  }

  /// Behind the mount's back, on filesystems that keep names with their files.
  @Test(.mountsHandleFS) func aMoveBehindTheMountIsFound() throws {
    let mounted = try Mounted(.btrfs)
    try mounted.fill(["a/moved", "a/linked"])
    let handles = try mounted.handles(["a/moved", "a/linked"])
    try mounted.unmount()
    try succeed(
      "sh", "-c", #"cd "$0"; mv a/moved b/c; ln a/linked d/linked; rm a/linked; mv d b"#,
      mounted.source.string)
    try mounted.mount()
    try mounted.expect(handles, open: ["a/moved", "a/linked"])
  }

  private let exchange = """
    python3 -c 'import ctypes, sys; libc = ctypes.CDLL(None)
    sys.exit(libc.renameat2(-100, sys.argv[1].encode(), -100, sys.argv[2].encode(), 2))'
    """
}

extension Mounted {
  /// Makes directories, and files with their names in them.
  fileprivate func fill(_ names: [String]) throws {
    try perform("mkdir -p a/sub/deep b c d")
    for name in names { try perform("printf %s \(name) > \(name)") }
  }

  fileprivate func handles(_ names: [String]) throws -> [String] {
    let paths = names.map { mountpoint.appending($0).string }
    let result = try run([product("mountload"), "handle"] + paths)
    #expect(result.status == 0, "\(result.errors)")
    return result.output.split(separator: "\n").map(String.init)
  }

  /// What is in the files of handles, or why they cannot be opened.
  fileprivate func open(_ handles: [String]) throws -> [String] {
    let result = try run([product("mountload"), "open-handle", mountpoint.string] + handles)
    #expect(result.status == 0, "\(result.errors)")
    return result.output.split(separator: "\n").map { String($0).replacing("has ", with: "") }
  }

  /// Makes the kernel forget all files, and the server what it has open for them.
  fileprivate func forgetAll() throws {
    try succeed("sync", "-f", volume.path.string)
    for _ in 0..<3 {
      try succeed("sh", "-c", "echo 2 > /proc/sys/vm/drop_caches; sleep 0.05")
    }
  }

  fileprivate func expect(
    _ handles: [String], open contents: [String], _ location: SourceLocation = #_sourceLocation
  ) throws {
    try forgetAll()
    #expect(try open(handles) == contents, sourceLocation: location)
  }
}
