import Foundation
import SystemPackage
import TestSupport
import Testing

/// A server that is killed between noting, doing and answering what may not be done twice: the caller
/// is told what happened, and it happened once.
@Suite struct FaultPointTests {
  /// What is asked for, and under which name the server passes it.
  private static let operations = [
    ("create", "create"), ("make-directory", "create"), ("make-fifo", "create"),
    ("make-device", "create"), ("make-symlink", "create"), ("make-link", "link"),
    ("remove-file", "remove"), ("remove-link", "remove"), ("remove-directory", "remove"),
    ("rename-file", "rename"), ("rename-into", "rename"), ("rename-over", "rename"),
    ("rename-directory", "rename"), ("rename-without", "rename"), ("exchange", "exchange"),
    ("create-attribute", "createAttribute"), ("remove-attribute", "removeAttribute"),
  ]

  /// Those that fail, or need no note.
  private static let others = ["create-loosely", "create-again", "remove-full", "exchange-nothing"]

  @Test(.mountsHandleFS, arguments: shown) func isDoneOnce(_ kind: VolumeKind) throws {
    let mounted = try Mounted(kind)
    for (operation, passed) in Self.operations {
      for place in kind == .ext4 ? ["noted", "acted", "answered"] : ["acted"] {
        try perform(operation, on: mounted, killedAt: "\(passed) \(place)")
      }
    }
    for operation in Self.others { try perform(operation, on: mounted, killedAt: nil) }
    #expect(try mounted.run([Commands.handlestore, "check", mounted.store.string]).status == 0)
  }

  /// With the kernel keeping no open file.
  @Test(.mountsHandleFS) func isDoneOnceWithoutPassthrough() throws {
    let mounted = try Mounted(.ext4, ["--passthrough", "off", "--cache-timeout", "0"])
    for (operation, passed) in Self.operations {
      try perform(operation, on: mounted, killedAt: "\(passed) acted")
    }
  }

  /// Performs an operation through the mount and, in a directory beside it, without.
  private func perform(
    _ operation: String, on mounted: Mounted, killedAt point: String?
  ) throws {
    let name = "\(operation)-\(point?.replacing(" ", with: "-") ?? "")"
    let (through, shown) = (mounted.mountpoint.appending(name), mounted.source.appending(name))
    let bare = mounted.volume.path.appending(name)
    for directory in [shown, bare] {
      try FileManager.default.createDirectory(
        atPath: directory.string, withIntermediateDirectories: false)
    }
    try mounted.load("prepare", through.string)
    try mounted.load("prepare", bare.string)
    let server = mounted.serverID
    if let point { try write(point, to: mounted.fault) }
    let answer = try mounted.load("operate", through.string, operation)
    let expected = try mounted.load("operate", bare.string, operation)
    #expect(answer == expected, "\(operation) killed at \(point ?? "no point")")
    if let point {
      #expect(mounted.isFaultReached, "the server did not come by \(point) in \(operation)")
      try mounted.waitForNewServer(after: server ?? 0)
    }
    let wanted = try Self.contents(bare)
    // What the kernel has in its memory, and what is there.
    let seen = try mounted.run(Self.listing(through))
    #expect(seen.output == wanted, "\(operation) killed at \(point ?? "no point"), as it is seen")
    #expect(
      try Self.contents(shown) == wanted, "\(operation) killed at \(point ?? "no point")")
  }

  /// Everything about the files of a directory.
  private static func contents(_ directory: FilePath) throws -> String {
    try succeed(listing(directory))
  }

  private static func listing(_ directory: FilePath) -> [String] {
    [
      "sh", "-c",
      """
      cd "$0" && find . ! -type d -printf '%P %y %#m %n %s %l %U\\n' -o -printf '%P %y %#m %n\\n' |
        sort
      find . -type f | sort | xargs md5sum
      find . -type f | sort | xargs getfattr -d -m -
      """, directory.string,
    ]
  }
}
