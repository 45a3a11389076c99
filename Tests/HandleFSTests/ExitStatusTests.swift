import Foundation
import Glibc
import TestSupport
import Testing

/// The exit codes of `handlefs`; Docs/HandleFS.md has the table.
@Suite struct ExitStatusTests {
  @Test(.mountsHandleFS) func areThoseOfTheTable() throws {
    let (mounted, program) = (try Mounted(.ext4), try #require(Mounted.program))
    func end(_ arguments: String...) throws -> Int32 {
      let result = try mounted.run(["timeout", "20", program] + arguments)
      #expect(result.status == 0 || result.errors.hasPrefix("handlefs: "), "\(result.errors)")
      return result.status
    }
    let (source, point) = (mounted.source.string, mounted.mountpoint.string)
    #expect(try end("status", point) == 0)
    #expect(try end("--help") == 0)
    // It found something.
    #expect(try end("status", source) == 1)
    #expect(try end("restart", source) == 1)
    #expect(try end(source, point, "--store", mounted.store.string) == 1)
    // Wrong usage.
    #expect(try end(source, point) == 2)
    #expect(try end(source, point, "--store", mounted.store.string, "--frob") == 2)
    #expect(try end("status") == 2)
    #expect(try end(source, point, "-o", "remount,ro") == 2)
    try mounted.unmount()
    #expect(try end(source, point, "--store", "\(source)/store") == 2)
    // The system refused.
    #expect(try end("\(source)/none", point, "--store", mounted.store.string) == 4)
    #expect(try end(source, "\(point)/none", "--store", mounted.store.string) == 4)
    #expect(
      try end("/proc", point, "--store", "\(mounted.store)-2", "--handles", "require") == 4)
    let user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    #expect(try mounted.mountInBackground(by: user).status == 4)
  }

  /// The store's own code comes through the supervisor to the command, in both ways to start it.
  @Test(.mountsHandleFS, arguments: [[], ["--foreground"]])
  func unusableStoreIsThree(_ options: [String]) throws {
    let mounted = try Mounted(.ext4)
    try mounted.unmount()
    try write("no store", to: mounted.store.appending("data.mdb"))
    let result = try mounted.mountInBackground(options)
    #expect(result.status == 3, "\(result.errors)")
    #expect(!mounted.isMounted)
  }
}
