import Foundation
import SystemPackage
import TestSupport
import Testing

@Suite(.opensHandles) struct ProbeTests {
  struct Expected: Sendable {
    var kind: VolumeKind
    var type: String
    var length: UInt64
    var generations: String
    var checksZero: Bool
  }

  @Test(arguments: [
    Expected(
      kind: .ext4, type: "ino32-gen", length: 8, generations: "32 random bits", checksZero: false),
    Expected(
      kind: .tmpfs, type: "ino32-gen", length: 12, generations: "32 random bits", checksZero: true),
    Expected(
      kind: .overlay, type: "overlay", length: 32, generations: "those of the layer",
      checksZero: false),
  ]) func aFilesystemThatCan(_ expected: Expected) throws {
    let volume = try Volume(expected.kind)
    let probe = try figures(output(of: "probe", volume.path.string, "--json"))
    #expect(probe.flag("usable") == true)
    #expect(probe.string("kind") == expected.kind.rawValue)
    #expect(probe.string("type") == expected.kind.rawValue)
    #expect(probe.string("mount_point") == volume.path.string)
    #expect(probe.flag("opens_again") == true)
    #expect(probe.string("handle_type") == expected.type)
    #expect(probe.number("handle_length") == expected.length)
    #expect(probe.string("generations") == expected.generations)
    #expect(probe.flag("checks_generation_0") == expected.checksZero)
    #expect(probe.flag("attachable") == true)
    #expect(probe.string("root_handle") != nil)
    let cached = expected.kind == .overlay ? [] : ["cached"]
    #expect(probe.strings("containment") == ["whole-filesystem"] + cached + ["kernel", "walk"])
    #expect(probe.number("token_length") == expected.length + 32)
    #expect(probe.members["nfs_versions"] as? [Int] == [3, 4])
  }

  @Test func aUUID() throws {
    let volume = try Volume(.ext4, megabytes: 8)
    let uuid = try succeed("blkid", "-o", "value", "-s", "UUID", volume.image.string)
    let probe = try figures(output(of: "probe", volume.path.string, "--json"))
    let told = probe.string("uuid") ?? probe.string("fsid")
    // The kernel tells the UUID since Linux 6.9.
    if probe.string("uuid") != nil {
      #expect(told == uuid.filter { $0.isHexDigit })
    }
    #expect(told != nil)
    #expect(probe.string("volume") != nil)
  }

  @Test func aConnectableHandleIsOfAFile() throws {
    let volume = try Volume(.ext4, megabytes: 8)
    try write("text", to: volume.path.appending("file"))
    let probe = try figures(output(of: "probe", volume.path.string, "--json"))
    // Since Linux 6.13.
    #expect(probe.flag("connectable") == !isOlderKernel)
    #expect(
      isOlderKernel
        || probe.string("connectable_handle_type") == "ino32-gen-parent"
          && probe.number("connectable_handle_length") == 16
    )
  }

  private var isOlderKernel: Bool {
    var version = utsname()
    uname(&version)
    let release = withUnsafeBytes(of: &version.release) { String(decoding: $0, as: UTF8.self) }
    let numbers = release.split(whereSeparator: { !$0.isNumber }).prefix(2).compactMap { Int($0) }
    return numbers.count < 2 || (numbers[0], numbers[1]) < (6, 13)
  }

  @Test func aFilesystemThatCannot() throws {
    let result = try handlestore("probe", "/proc", "--json")
    #expect(result.status == 1)
    #expect(result.errors.contains("has no file handles that can be opened"))
    let probe = try figures(result.output)
    #expect(probe.flag("usable") == false)
    #expect(probe.string("type") == "proc")
    #expect(probe.flag("attachable") == false && probe.string("attaching_obstacle") != nil)
    #expect(probe.flag("opens_again") == false)
    #expect(probe.isNull("handle_type"))
    #expect(probe.flag("kept_nodes_return") == false)
  }

  /// A container's overlayfs: what a server has to know that keeps its files open.
  @Test func aFilesystemWhoseFilesAreKept() throws {
    let volume = try Volume(.plainOverlay)
    let result = try handlestore("probe", volume.path.string, "--json")
    #expect(result.status == 1)
    #expect(result.errors.contains("or keep its files open (handlefs --handles)"))
    #expect(try figures(result.output).flag("kept_nodes_return") == true)
    let served = try Volume(.fuse)
    let probe = try figures(output(of: "probe", served.path.string, "--json"))
    #expect(probe.flag("kept_nodes_return") == false)
  }

  /// What both commands say of a filesystem they say by the same names.
  @Test func statSaysTheSame() throws {
    let volume = try Volume(.ext4, megabytes: 8)
    let directory = try TemporaryDirectory()
    let store = directory.appending("store").string
    try output(of: "index", store, volume.path.string)
    let probe = try figures(output(of: "probe", volume.path.string, "--json"))
    let stat = try figures(output(of: "stat", store, "--format", "json"))
    let filesystem = JSONObject(
      members: try #require((stat.members["filesystems"] as? [[String: Any]])?.first))
    for name in ["kind", "uuid", "fsid", "root_handle", "volume"] {
      #expect(filesystem.string(name) == probe.string(name), "\(name)")
    }
    #expect(filesystem.string("kind") == "ext4")
  }
}
