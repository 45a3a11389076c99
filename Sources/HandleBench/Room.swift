import Foundation
import SystemPackage

/// The room that a run needs, and that there is.
struct Room {
  let disk, memory: UInt64

  /// What a node takes in the largest of the maps, with pages that were replaced (Docs/Performance.md),
  /// and in a table in memory while it grows.
  private static let (diskOfNode, memoryOfNode): (UInt64, UInt64) = (600, 150)
  /// What a run takes with hardly any nodes.
  private static let least: UInt64 = 640 << 20

  /// What a run needs for so many nodes. At any time there is one map.
  init(for nodes: UInt64) {
    disk = nodes * Self.diskOfNode + Self.least
    memory = nodes * Self.memoryOfNode + Self.least
  }

  private init(disk: UInt64, memory: UInt64) {
    (self.disk, self.memory) = (disk, memory)
  }

  /// The room that is free for files in a directory, and in memory.
  static func free(in directory: URL) throws -> Room {
    let attributes = try FileManager.default.attributesOfFileSystem(forPath: directory.path)
    let meminfo = try String(contentsOfFile: "/proc/meminfo", encoding: .utf8)
    let available = meminfo.firstMatch(of: /(?m)^MemAvailable: +(\d+) kB$/).flatMap {
      UInt64($0.1)
    }
    return Room(
      disk: (attributes[.systemFreeSize] as? NSNumber)?.uint64Value ?? 0,
      memory: (available ?? 0) * 1024)
  }

  /// Says on standard error what a run needs in a directory.
  ///
  /// - Throws: ``BenchError`` if there is too little.
  func require(in directory: URL) throws {
    let free = try Room.free(in: directory)
    let parent = directory.deletingLastPathComponent().path
    let needs = """
      needs up to \(Figure.bytes(Double(disk))) on the disk of \(parent), of which \
      \(Figure.bytes(Double(free.disk))) are free, and up to \(Figure.bytes(Double(memory))) of \
      memory, of which \(Figure.bytes(Double(free.memory))) are available
      """
    guard disk <= free.disk, memory <= free.memory else {
      throw BenchError(
        description: "the run \(needs); give fewer --nodes, or another --directory")
    }
    FileHandle.standardError.write(Data("\(needs)\n".utf8))
  }
}
