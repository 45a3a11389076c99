import Foundation
import HandleStore
import SystemPackage
import TestSupport
import Testing

// Serialized with the others: see there.
extension PowerCutTests {
  /// Data that were not flushed before the kernel, or the mount, was gone.
  @Suite struct TornTests {
    /// A store whose writer was killed, on a filesystem of its own.
    private final class Killed {
      let volume = try? Volume(.ext4)
      let directory: TemporaryDirectory
      let log: String
      let durability: Durability
      let volumePath: FilePath
      var store: FilePath { volumePath.appending("store") }
      var data: FilePath { store.appending("data.mdb") }

      /// - Parameter hadClosed: whether an earlier writer has closed the store.
      init(_ durability: Durability, hadClosed: Bool = false) throws {
        self.durability = durability
        directory = try TemporaryDirectory()
        log = directory.appending("log").string
        volumePath = try #require(volume).path
        if hadClosed {
          try write(seed: 2)
          try Store(at: store).close()
        }
        try write(seed: 1)
      }

      private func write(seed: Int) throws {
        let child = try Child(
          "storeworker", ["write", store.string, durability.rawValue, log, "\(seed)"])
        #expect(child.line() == "writing")
        usleep(200_000)
        child.kill()
      }

      /// Opens the store in another process, after a boot or in this one.
      func verify(afterBoot: Bool) throws -> String {
        let worker = [product("storeworker"), "verify", store.string, durability.rawValue, log]
        return try (afterBoot ? Child(afterBoot: worker, directory) : Child(worker)).rest()
      }

      /// Overwrites all pages but the two that say where the newest commit is.
      func damage() throws {
        let file = try FileDescriptor.open(data, .readWrite)
        try file.closeAfter {
          let end = try file.seek(offset: 0, from: .end)
          for offset in stride(from: 2 * 4096, to: end, by: 4096) {
            _ = try file.writeAll(
              toAbsoluteOffset: offset, [UInt8](repeating: 0xa5, count: 2048))
          }
        }
      }
    }

    @Test(arguments: [false, true]) func whatMayBeTornIsCheckedAfterABoot(hadClosed: Bool) throws {
      let killed = try Killed(.process, hadClosed: hadClosed)
      try killed.damage()
      let before = try Data(contentsOf: URL(fileURLWithPath: killed.data.string))
      #expect(try killed.verify(afterBoot: true).hasPrefix("error torn"))
      #expect(try Data(contentsOf: URL(fileURLWithPath: killed.data.string)) == before)
    }

    @Test func whatMayBeTornIsCheckedAfterARemount() throws {
      let killed = try Killed(.process)
      try killed.damage()
      try killed.volume?.unmount()
      try killed.volume?.mount()
      #expect(try killed.verify(afterBoot: false).hasPrefix("error torn"))
    }

    /// XFS leaves a file empty whose new length had not reached the log.
    @Test(arguments: [0, 100, 4096, 3 * 4096]) func aFileThatWasCutShortIsTorn(_ size: Int) throws {
      let killed = try Killed(.process)
      try succeed("truncate", "-s", "\(size)", killed.data.string)
      #expect(try killed.verify(afterBoot: false).hasPrefix("error "))
      #expect(try !killed.verify(afterBoot: false).hasPrefix("error torn"), "nothing was cut")
      #expect(try killed.verify(afterBoot: true).hasPrefix("error torn"))
    }

    @Test(arguments: Durability.allCases) func whatIsWholeIsServed(_ durability: Durability) throws
    {
      let killed = try Killed(durability)
      #expect(try killed.verify(afterBoot: true).hasPrefix("verified "))
    }
  }
}
