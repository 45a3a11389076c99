import Foundation
import Glibc
import SystemPackage
import TestSupport
import Testing

/// Which directory is shown, and what its filesystem allows.
@Suite struct SourceTests {
  /// The mount allows nothing that the source's filesystem forbids.
  @Test(.mountsHandleFS) func allowsNoMoreThanTheSource() throws {
    let mounted = try Mounted(.ext4)
    try succeed("cp", "/bin/true", mounted.source.appending("program").string)
    let program = mounted.mountpoint.appending("program").string
    #expect(try mounted.run([program]).status == 0)
    #expect(try mounted.flags.isDisjoint(with: ["nosuid", "nodev", "noexec"]))
    for flag in ["nosuid", "nodev", "noexec"] {
      try mounted.unmount()
      try succeed("mount", "-o", "remount,\(flag)", mounted.volume.path.string)
      try mounted.mount()
      #expect(try mounted.flags.contains(flag))
    }
    #expect(try mounted.flags.isSuperset(of: ["nosuid", "nodev", "noexec"]))
    let result = try mounted.run(["sh", "-c", program])
    #expect(result.status == 126 && result.errors.contains("Permission denied"))
  }

  /// The mount keeps showing the directory that it began with, even if another one takes its path.
  @Test(.mountsHandleFS) func isOpenedOnce() throws {
    let mounted = try Mounted(.ext4, ["--cache-timeout", "0"])
    let former = mounted.volume.path.appending("former")
    try write("first", to: mounted.source.appending("file"))
    try rename(mounted.source, to: former)
    try FileManager.default.createDirectory(
      atPath: mounted.source.string, withIntermediateDirectories: false)
    try write("second", to: mounted.source.appending("file"))
    let file = mounted.mountpoint.appending("file").string
    #expect(try mounted.run(["cat", file]).output == "first")
    try mounted.waitForNewServer(after: mounted.killServer())
    #expect(try mounted.run(["cat", file]).output == "first")
    _ = try mounted.waitForNewSupervisor(after: mounted.killSupervisor())
    try mounted.waitForNewServer(after: mounted.killServer())
    #expect(try mounted.run(["cat", file]).output == "first")
    #expect(try mounted.run(["touch", "\(mounted.mountpoint)/new"]).status == 0)
    #expect(FileManager.default.fileExists(atPath: former.appending("new").string))
    try mounted.unmount()
    try mounted.mount()
    #expect(try mounted.run(["cat", file]).output == "second")
  }

  /// A store that the mount would hide is refused, before anything is created.
  @Test(.mountsHandleFS) func storeIsNotHidden() throws {
    let mounted = try Mounted(.ext4)
    try mounted.unmount()
    for store in [mounted.mountpoint, mounted.mountpoint.appending("store")] {
      let result = try mounted.mountInBackground(store: store)
      #expect(result.status != 0)
      #expect(result.errors.contains("would be hidden by the mount; put it elsewhere"))
      #expect(result.errors.contains(store.string))
      #expect(!mounted.isMounted)
    }
    let shown = try mounted.mountInBackground(store: mounted.source.appending("store"))
    #expect(shown.errors.contains("lies in \(mounted.source) and would be shown; put it elsewhere"))
    for directory in [mounted.mountpoint, mounted.source] {
      #expect(try FileManager.default.contentsOfDirectory(atPath: directory.string).isEmpty)
    }
  }

  /// Only root can mount; other users get an error.
  @Test(.mountsHandleFS) func othersCannotMount() throws {
    let mounted = try Mounted(.ext4)
    try mounted.unmount()
    let user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    let result = try mounted.mountInBackground(by: user)
    #expect(result.status != 0 && result.errors.contains("run as root"), "\(result.errors)")
  }
}

extension Mounted {
  /// The options of the mount itself, as the kernel has them.
  fileprivate var flags: Set<String> {
    get throws {
      let mounts = try read("/proc/self/mountinfo").split(separator: "\n")
      let line = try #require(mounts.last { $0.contains(" \(mountpoint) ") })
      return Set(line.split(separator: " ")[5].split(separator: ",").map(String.init))
    }
  }
}
