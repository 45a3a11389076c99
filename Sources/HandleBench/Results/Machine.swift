import CYardstick
import Foundation
import SystemPackage

/// The machine of a run, and the programs and libraries that were measured on it.
struct Machine: Codable {
  struct Software: Codable {
    let name, version: String
  }

  /// The model of the processor, as the kernel names it.
  let processor: String
  /// How many processors this process may use.
  let processors: Int
  let isVirtual: Bool
  let memoryBytes: UInt64
  let kernel: String
  /// The type of the filesystem that has the stores, or the files.
  let filesystem: String
  var software: [Software]

  /// Describes this machine.
  ///
  /// - Parameter directory: where the stores, or the files, are.
  init(directory: String) {
    let description = Self.read("/proc/cpuinfo")
    let model = description.firstMatch(of: /(?m)^model name\s*: (.+)$/)
    processor = model.map { String($0.1) } ?? "unknown"
    processors = ProcessInfo.processInfo.activeProcessorCount
    isVirtual = description.contains(/(?m)^flags\s*:.*\bhypervisor\b/)
    memoryBytes = ProcessInfo.processInfo.physicalMemory
    kernel = Self.read("/proc/sys/kernel/osrelease").split { $0.isNewline }.joined()
    filesystem = Self.filesystem(of: directory)
    software = [
      Software(name: "Swift", version: Self.swiftVersion),
      Software(name: "Clang", version: Self.version(machine_clang_version())),
      Software(name: "LMDB", version: Self.version(machine_lmdb_version())),
    ]
  }

  /// The major and minor version of the standard library, which is the compiler's.
  private static var swiftVersion: String {
    "\(_SwiftStdlibVersion.current)".split(separator: ".").prefix(2).joined(separator: ".")
  }

  private static func read(_ path: String) -> String {
    (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
  }

  private static func version(_ number: UInt32) -> String {
    "\(number >> 16).\(number >> 8 & 255).\(number & 255)"
  }

  /// Returns the type of the mount that a directory is on: the last one whose directory is above it.
  private static func filesystem(of directory: String) -> String {
    let path = URL(fileURLWithPath: directory).resolvingSymlinksInPath().path + "/"
    var found = (point: "", type: "unknown")
    for line in read("/proc/self/mountinfo").split(separator: "\n") {
      // See proc_pid_mountinfo(5): the mount point is the fifth field, the type follows a dash.
      let fields = line.split(separator: " ")
      guard let dash = fields.firstIndex(of: "-"), fields.count > dash + 1 else { continue }
      let point = fields[4] == "/" ? "/" : fields[4].replacing("\\040", with: " ") + "/"
      if path.hasPrefix(point), point.count >= found.point.count {
        found = (point, String(fields[dash + 1]))
      }
    }
    return found.type
  }
}
