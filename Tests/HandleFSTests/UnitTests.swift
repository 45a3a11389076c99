import Foundation
import SystemPackage
import TestSupport
import Testing

/// The unit for systemd, `Examples/HandleFS/System/handlefs@.service`.
@Suite struct UnitTests {
  /// systemd finds nothing wrong with it.
  @Test(.mountsHandleFS) func isVerified() throws {
    let directory = try TemporaryDirectory()
    let program = try #require(Mounted.program)
    let text = try read(Self.unit)
    let unit = directory.appending("handlefs@name.service")
    try write(text.replacing("/usr/bin/handlefs", with: program), to: unit)
    let verified = try run("systemd-analyze", "verify", "--man=no", unit.string)
    let complaints = (verified.output + verified.errors).split(separator: "\n")
      .filter { $0.contains("handlefs") }
    #expect(complaints.isEmpty, "\(complaints)")
    // Of ten; above this line systemd calls a unit exposed.
    let exposed = try run(
      "systemd-analyze", "security", "--offline=true", "--threshold=45", "--no-pager", unit.string)
    #expect(exposed.status == 0, "\(exposed.output.suffix(300))\(exposed.errors)")
  }

  /// What gives a service mounts of its own would hide the mount from everybody else.
  @Test func leavesTheMountToBeSeen() throws {
    let hiding = [
      "Protect(System|Home|Proc|ControlGroups|Kernel[A-Za-z]*)", "Private(Tmp|Devices|Mounts|IPC)",
      "ProcSubset", "DynamicUser",
      "(ReadWrite|ReadOnly|Inaccessible|Exec|NoExec|Bind|BindReadOnly)Paths",
      "TemporaryFileSystem", "Root(Directory|Image)", "MountFlags",
    ].joined(separator: "|")
    let pattern = try Regex("^(\(hiding))=").anchorsMatchLineEndings()
    #expect(try read(Self.unit).firstMatch(of: pattern) == nil)
  }

  /// All that the mount has to do works with the unit's capabilities and limits, and no new ones.
  @Test(.mountsHandleFS) func itsCapabilitiesSuffice() throws {
    let kept = try read(Self.unit).split(separator: "\n")
      .filter { $0.hasPrefix("CapabilityBoundingSet=") }
      .flatMap { $0.dropFirst("CapabilityBoundingSet=CAP_".count).split(separator: " CAP_") }
    let set = (["-all"] + kept.map { "+\($0.lowercased())" }).joined(separator: ",")
    let limits = ["prlimit", "--memlock=67108864", "--nofile=65536"]
    let mounted = try Mounted(
      .ext4, by: limits + ["setpriv", "--no-new-privs", "--bounding-set", set])
    let server = try #require(mounted.serverID)
    let status = try read(FilePath("/proc/\(server)/status"))
    #expect(status.contains("NoNewPrivs:\t1"))
    let result = try mounted.run([product("posixtable"), mounted.mountpoint.string])
    #expect(result.status == 0, "\(result.output)\(result.errors)")
    try mounted.killServer()
    #expect(try mounted.run(["touch", "\(mounted.mountpoint)/after"]).status == 0)
  }

  private static let unit = FilePath(
    #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3)
      .joined(separator: "/") + "/Examples/HandleFS/System/handlefs@.service")
}
