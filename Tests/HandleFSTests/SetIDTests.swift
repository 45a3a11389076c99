import Foundation
import Glibc
import SystemPackage
import TestSupport
import Testing

/// The kernel asks for the mode of a file that has or had a set-user-id bit, and takes the answer,
/// whatever happens meanwhile.
@Suite struct SetIDTests {
  /// How a file gets the bit: before the kernel knows the file, or while the kernel believes its mode.
  private static let origins = ["before", "behind", "through"]

  /// What happens while the kernel asks for the mode, after the bit was cleared: a change behind the
  /// mount, a copy from the file, the server's own question whether the kernel still knows the removed
  /// file, or a new server, which tells the kernel that all files have changed.
  private static let news = ["change", "copy", "removed", "kill"]

  @Test(.mountsHandleFS) func aClearedBitIsSeen() throws {
    let mounted = try Mounted(.ext4)
    for origin in Self.origins {
      for news in Self.news {
        let mode = try modeDuring(news, origin, mounted)
        #expect(mode == "755", "\(origin), \(news)")
      }
    }
  }

  /// Returns the mode that a program gets when the bit is cleared before its question, and something
  /// happens between the server's look at the file and the reply. Later changes must be seen too.
  private func modeDuring(_ news: String, _ origin: String, _ mounted: Mounted) throws -> String? {
    let name = "\(origin)-\(news)"
    let (behind, through) = (mounted.source.appending(name), mounted.mountpoint.appending(name))
    try write("text", to: behind)
    let file = try FileDescriptor.open(behind, .readWrite)
    defer { try? file.close() }
    #expect(fchmod(file.rawValue, origin == "before" ? 0o4755 : 0o755) == 0)
    let (user, copier) = (try user(of: through), try user(of: through))
    #expect(user.ask("mode") == (origin == "before" ? "4755" : "755"))
    if origin == "behind" { #expect(fchmod(file.rawValue, 0o4755) == 0) }
    if origin == "through" {
      #expect(try mounted.run(["chmod", "4755", through.string]).status == 0)
    }
    // One look must do.
    usleep(300_000)
    #expect(user.ask("mode") == "4755", "\(name)")
    if news == "removed" { #expect(try mounted.run(["rm", "-f", through.string]).status == 0) }
    #expect(fchmod(file.rawValue, 0o755) == 0)
    usleep(300_000)

    try write("attributes read", to: mounted.fault)
    user.send("mode")
    #expect(mounted.isFaultReached, "nobody asked for attributes")
    switch news {
    case "change": #expect(futimens(file.rawValue, nil) == 0)
    case "copy": #expect(copier.ask("copy") == "1")
    case "removed": usleep(700_000)
    default: try replaceServer(of: mounted)
    }
    usleep(300_000)
    try write("", to: mounted.fault)
    let mode = user.line(seconds: 20)
    #expect(user.ask("mode") == "755")
    #expect(fchmod(file.rawValue, 0o700) == 0)
    #expect(eventually(seconds: 5) { user.ask("mode") == "700" }, "\(name)")
    return mode
  }

  /// A program that has a file open: it has the kernel ask for the mode, and tells which mode the kernel
  /// goes on with (`AT_STATX_DONT_SYNC`), and it copies a byte of the file to another.
  private func user(of file: FilePath) throws -> Child {
    let program = """
      import ctypes, os, sys
      statx = ctypes.CDLL(None).statx
      file = os.open(sys.argv[1], os.O_RDONLY)
      copy = os.open(sys.argv[1] + "-copy", os.O_RDWR | os.O_CREAT)
      print("open", flush=True)
      for line in sys.stdin:
          if line == "mode\\n":
              os.fstat(file)
              status = ctypes.create_string_buffer(256)
              assert statx(file, b"", 0x1000 | 0x4000, 0x7ff, status) == 0
              print("%o" % (int.from_bytes(status[28:30], "little") & 0o7777), flush=True)
          else:
              print(os.copy_file_range(file, copy, 1, 0, 0), flush=True)
      """
    let user = try Child(["python3", "-c", program, file.string])
    #expect(user.line(seconds: 20) == "open")
    return user
  }

  /// Kills the server. The next one waits at the point where this one waited, and tells the kernel of
  /// all files meanwhile.
  private func replaceServer(of mounted: Mounted) throws {
    let supervisor = try #require(mounted.supervisorID)
    try stop(supervisor)
    try mounted.killServer()
    try write("attributes read", to: mounted.fault)
    #expect(kill(supervisor, SIGCONT) == 0)
    #expect(mounted.isFaultReached, "the request did not come again")
  }
}
