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
    // 5.2 of 10.
    let exposed = try run(
      "systemd-analyze", "security", "--offline=true", "--threshold=52", "--no-pager", unit.string)
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

  /// All that the mount has to do works with the unit's capabilities, and no new ones.
  @Test(.mountsHandleFS) func itsCapabilitiesSuffice() throws {
    let kept = try read(Self.unit).split(separator: "\n")
      .filter { $0.hasPrefix("CapabilityBoundingSet=") }
      .flatMap { $0.dropFirst("CapabilityBoundingSet=CAP_".count).split(separator: " CAP_") }
    let set = (["-all"] + kept.map { "+\($0.lowercased())" }).joined(separator: ",")
    let mounted = try Mounted(
      .ext4, by: ["setpriv", "--no-new-privs", "--bounding-set", set])
    let server = try #require(mounted.serverID)
    let status = try read(FilePath("/proc/\(server)/status"))
    #expect(status.contains("NoNewPrivs:\t1"))
    let (bare, below) = ("\(mounted.volume.path)/table", "\(mounted.source)/table")
    try succeed("mkdir", bare, below)
    let expected = try mounted.run([product("posixtable"), bare, bare, "root"], seconds: 90).output
    let found = try mounted.run(
      [product("posixtable"), "\(mounted.mountpoint)/table", below, "root"], seconds: 90)
    #expect(found.status == 0, "\(found.errors)")
    let differences = PosixTests.differences(expected, found.output, .ext4)
    #expect(differences.isEmpty, "\(differences.joined(separator: "\n"))")
    try mounted.killServer()
    #expect(try mounted.run(["touch", "\(mounted.mountpoint)/after"]).status == 0)
  }

  private static let unit = FilePath(
    "\(packageRoot)/Examples/HandleFS/System/handlefs@.service")
}
