import Foundation
import SystemPackage
import TestSupport
import Testing

/// What a filesystem does: the same through the mount as without it.
@Suite struct PosixTests {
  /// A difference that is known, and why it is there.
  private struct Difference {
    let test: String
    /// What the line has on either side.
    let line: String
    /// Where it is.
    var kinds = shown + [.plainOverlay]
    /// An option that brings it about.
    var option: String?
    let reason: String
  }

  private static let noSharing = "FUSE passes neither FICLONE, FICLONERANGE nor FIDEDUPERANGE on"

  private static let known =
    [
      Difference(
        test: "allocating", line: "_RANGE, 0, 4096)",
        reason: "FUSE passes neither FALLOC_FL_COLLAPSE_RANGE nor FALLOC_FL_INSERT_RANGE on"),
      Difference(
        test: "set-id-on-chown", line: "after chown to none",
        reason: "a chown that changes neither owner nor group does not reach a FUSE server"),
      Difference(
        test: "set-id-by-others", line: "666 of ",
        reason:
          "FUSE_WRITE_KILL_SUIDGID: the set-group-id bit goes only from what its group can run"),
    ]
    + ["4777", "2777", "6777", "6755", "none"].map {
      Difference(
        test: "privileges-\($0)", line: "capability after a mapped write",
        reason:
          "what was written to memory reaches the server as a write, which takes the capability")
    } + [
      Difference(
        test: "name-spaces", line: "trusted.x", kinds: [.btrfs],
        reason: "btrfs tells everybody the names in trusted., the server only root"),
      Difference(
        test: "times-move", line: "truncate by path to the same size", kinds: [.xfs, .btrfs],
        reason: "the server truncates by a descriptor, which always touches the times"),
      Difference(
        test: "set-id-while-open", line: "after a chmod and a write by root",
        reason: "what the kernel writes by FUSE_PASSTHROUGH is written without CAP_FSETID"),
      Difference(test: "sharing", line: "FICLONE", kinds: [.xfs, .btrfs], reason: noSharing),
      Difference(test: "sharing", line: "FIDEDUPERANGE", kinds: [.xfs, .btrfs], reason: noSharing),
      Difference(
        test: "flags-of-others", line: "", kinds: [.xfs],
        reason: "FUSE passes on the flags of regular files and directories only"),
      Difference(
        test: "set-id-on-write", line: "644 of ", option: "mapped",
        reason: "the server does not know which group the caller is in as the mount maps it"),
      Difference(
        test: "times-of-stores", line: "atime ", option: "off",
        reason:
          "a store to memory reads the page, and the server hears of it when it is written back"),
      Difference(
        test: "empty-reads", line: "of file, atime ", option: "off",
        reason: "a read of nothing or behind the end does not reach a FUSE server"),
    ]
    // FUSE_PASSTHROUGH does not go through two layers, and an overlayfs is one.
    + [
      Difference(
        test: "empty-reads", line: "of file, atime ", kinds: [.plainOverlay],
        reason: "a read of nothing or behind the end does not reach a FUSE server"),
      Difference(
        test: "times-of-stores", line: "of file, atime ", kinds: [.plainOverlay],
        reason:
          "a store to memory reads the page, and the server hears of it when it is written back"),
      Difference(test: "sharing", line: "dedupe: ", kinds: [.plainOverlay], reason: noSharing),
      Difference(
        test: "sharing", line: "FIDEDUPERANGE", kinds: [.plainOverlay], reason: noSharing),
    ]

  struct Run: CustomTestStringConvertible, Sendable {
    let kind: VolumeKind
    let options: [String]
    let user: String
    var testDescription: String { "\(kind.rawValue), \(user) \(options.joined(separator: " "))" }
  }

  private static let options = [
    [], ["--cache-timeout", "0"], ["--cache-timeout", "0", "--passthrough", "off"],
  ]

  /// All options on ext4. On the others, where only the filesystem differs, the first and the last;
  /// the long campaigns try all there, too.
  static let runs =
    shown.flatMap { kind in
      options.filter { kind == .ext4 || soak > 1 || $0.count != 2 }.flatMap { options in
        ["root", "user"].map { Run(kind: kind, options: options, user: $0) }
      }
    }
    + (soak > 1 ? ["root", "user"] : ["user"]).flatMap { user in
      [
        Run(kind: .ext4, options: ["--handles", "never"], user: user),
        Run(kind: .plainOverlay, options: [], user: user),
      ]
    }

  @Test(.mountsHandleFS, arguments: runs) func behavesAsTheFileSystemBelow(_ run: Run) throws {
    let mounted = try Mounted(run.kind, run.options, megabytes: 512)
    let owner = run.user == "root" ? "0:0" : "12345:12345"
    try succeed(
      "install", "-d", "-m", "755", "-o", String(owner.split(separator: ":")[0]), "-g",
      String(owner.split(separator: ":")[1]), "\(mounted.source)/table",
      "\(mounted.volume.path)/table")
    let bare = mounted.volume.path.appending("table").string
    let expected = try mounted.run([product("posixtable"), bare, bare, run.user], seconds: 90)
    let found = try mounted.run(
      [
        product("posixtable"), "\(mounted.mountpoint)/table", "\(mounted.source)/table", run.user,
      ], seconds: 90)
    #expect(expected.status == 0 && found.status == 0, "\(expected.errors)\(found.errors)")
    #expect(expected.output.count > 50_000, "the table is whole")
    let differences = Self.differences(expected.output, found.output, run.kind, run.options)
    #expect(differences.isEmpty, "\(differences.joined(separator: "\n"))\n\(mounted.log)")
    #expect(mounted.log.split(separator: "\n").filter { $0.contains("error") }.isEmpty)
  }

  /// The options with which the source is mounted say what moves access times, also if they change while
  /// it is served.
  @Test(
    .mountsHandleFS,
    arguments: ["strictatime", "noatime", "nodiratime"], [[], options[2]])
  func accessTimesFollowTheSourcesMount(_ option: String, _ options: [String]) throws {
    let mounted = try Mounted(.ext4, options)
    try succeed("mount", "-o", "remount,\(option)", mounted.volume.path.string)
    for name in ["at once", "after a new mount"] {
      try succeed("mkdir", "\(mounted.source)/\(name)", "\(mounted.volume.path)/\(name)")
      let bare = "\(mounted.volume.path)/\(name)"
      let expected = try mounted.run([product("posixtable"), bare, bare, "root", "access-times"])
      let found = try mounted.run(
        [
          product("posixtable"), "\(mounted.mountpoint)/\(name)", "\(mounted.source)/\(name)",
          "root", "access-times",
        ])
      #expect(expected.output.count > 4000)
      let differences = Self.differences(expected.output, found.output, .ext4, options)
      #expect(differences.isEmpty, "\(name): \(differences.joined(separator: "\n"))")
      try mounted.unmount()
      try mounted.mount()
    }
  }

  /// The lines that differ, case by case, but for those that are known.
  static func differences(
    _ expected: String, _ found: String, _ kind: VolumeKind, _ options: [String] = []
  ) -> [String] {
    let (expected, found) = (byCase(expected), byCase(found))
    return Set(expected.keys).union(found.keys).sorted().flatMap { test in
      let (bare, through) = (expected[test] ?? [], found[test] ?? [])
      return through.difference(from: bare).compactMap { change -> String? in
        let (line, sign) =
          switch change {
          case .insert(_, let line, _): (line, "through the mount")
          case .remove(_, let line, _): (line, "below            ")
          }
        let isKnown = known.contains {
          $0.test == test && $0.kinds.contains(kind)
            && ($0.line == "" || line.contains($0.line))
            && ($0.option.map(options.contains) ?? true)
        }
        return isKnown ? nil : "\(sign) \(test): \(line)"
      }
    }
  }

  private static func byCase(_ output: String) -> [String: [String]] {
    var cases: [String: [String]] = [:]
    for line in output.split(separator: "\n") {
      guard let colon = line.range(of: ": ") else { continue }
      cases[String(line[..<colon.lowerBound]), default: []].append(
        String(line[colon.upperBound...]))
    }
    return cases
  }
}
