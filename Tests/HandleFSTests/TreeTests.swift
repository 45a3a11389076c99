import Foundation
import HandleStore
import SystemPackage
import TestSupport
import Testing

/// Trees with more files than a server may have open.
@Suite struct TreeTests {
  @Test(.mountsHandleFS) func descriptorsAndMemoryAreBounded() throws {
    let limit = 256
    let mounted = try Mounted(
      .ext4, megabytes: 400, format: ["-N", "220000"], descriptors: limit)
    let files = 200_000
    try mounted.load("tree", mounted.source.string, "200", "\(files / 200)")
    #expect(try mounted.run(["ls", mounted.mountpoint.string]).status == 0)
    let before = mounted.memoryOfServer
    let walk = try Child([
      "find", mounted.mountpoint.string, "-type", "f", "-printf", "%s %i\\n", "-fprintf",
      "/dev/null", "%U",
    ])
    let counter = Counter(walk)
    var most = 0
    #expect(
      eventually(seconds: 600) {
        most = max(most, mounted.descriptorsOfServer)
        return counter.isDone
      })
    #expect(counter.lines == files)
    #expect(walk.wait(seconds: 1) == 0)
    #expect(most > 0 && most <= limit, "\(most) descriptors")
    let growth = mounted.memoryOfServer - before
    #expect(growth <= 64 << 10, "the server grew by \(growth) KiB")
    #expect(!mounted.log.contains("error"), "\(mounted.log)")
    // The same again, from what the kernel and the store know.
    let part = try mounted.run(["find", "\(mounted.mountpoint)/directory-7", "-size", "0"])
    #expect(part.output.split(separator: "\n").count == files / 200)
  }

  /// The store does not grow with every file that ever was.
  @Test(.mountsHandleFS, arguments: ["auto", "off"])
  func filesThatAreGoneTakeNoRoom(_ passthrough: String) throws {
    let mounted = try Mounted(.ext4, ["--passthrough", passthrough])
    try mounted.load("temporary", mounted.mountpoint.string, "12000")
    func nodes() throws -> Int {
      try Store(at: mounted.store, options: StoreOptions(readOnly: true)).summary().nodes
    }
    let status = try mounted.status()
    #expect((status["nodes_created"] ?? 0) + (status["nodes_replaced"] ?? 0) >= 12_000)
    #expect(try eventually(seconds: 30) { try nodes() < 2000 })
  }

  /// Counts the lines that a process prints.
  private final class Counter: @unchecked Sendable {
    private let lock = NSLock()
    private var count = 0
    private var ended = false

    init(_ child: Child) {
      Thread.detachNewThread { [self] in
        var n = 0
        while child.line() != nil { n += 1 }
        lock.withLock { (count, ended) = (n, true) }
      }
    }

    var isDone: Bool { lock.withLock { ended } }
    var lines: Int { lock.withLock { count } }
  }
}
