import CYardstick
import SystemPackage

/// One kind of work in a filesystem.
struct FileSystemWorkload {
  let name: String
  let kind: fsload_kind
  /// Whether to drop the kernel's caches before the run.
  var isCold = false
  /// The number of operations, or `nil` for one for each file.
  var count: Int?

  static let all = [
    FileSystemWorkload(name: "create", kind: FSLOAD_CREATE),
    FileSystemWorkload(name: "open, write 4 KiB, close", kind: FSLOAD_FILL),
    FileSystemWorkload(name: "stat", kind: FSLOAD_STAT, isCold: true),
    FileSystemWorkload(name: "open, read, close", kind: FSLOAD_READ, isCold: true),
    FileSystemWorkload(name: "readdir and stat", kind: FSLOAD_LIST, isCold: true),
    FileSystemWorkload(name: "rename", kind: FSLOAD_RENAME),
    FileSystemWorkload(name: "unlink", kind: FSLOAD_UNLINK),
    FileSystemWorkload(name: "write 128 KiB", kind: FSLOAD_WRITE_BIG, count: 2048),
    FileSystemWorkload(name: "read 128 KiB", kind: FSLOAD_READ_BIG, count: 2048),
    FileSystemWorkload(name: "read 4 KiB, random", kind: FSLOAD_READ_RANDOM, count: 20_000),
  ]

  /// Runs the workload in a directory and returns the operations a second.
  func run(in directory: String, files: Int, _ contender: String) throws -> Double {
    let count = count ?? files
    let root = try FileDescriptor.open(
      FilePath(directory), .readOnly, options: [.directory, .closeOnExec])
    let nanoseconds = try root.closeAfter { fsload(kind, root.rawValue, Int64(count)) }
    guard nanoseconds >= 0 else {
      throw BenchError(
        description: "\(contender), \(name): \(Errno(rawValue: CInt(-nanoseconds)))")
    }
    return Double(count) * 1e9 / Double(max(nanoseconds, 1))
  }
}

/// The results of one contender in one round.
struct Round {
  /// The operations a second of each workload.
  var rates: [Double] = []
  var descriptors = 0
  var kibibytes = 0

  mutating func use(_ usage: (descriptors: Int, kibibytes: Int)) {
    descriptors = max(descriptors, usage.descriptors)
    kibibytes = max(kibibytes, usage.kibibytes)
  }
}

/// The results of one contender in all rounds.
struct FileSystemResult {
  let name: String
  private var rounds: [Round] = []

  init(name: String) { self.name = name }

  mutating func add(_ round: Round) { rounds.append(round) }

  /// Returns the median of a workload's rates.
  func rate(_ workload: Int) -> Double {
    let sorted = rounds.map { $0.rates[workload] }.sorted()
    return sorted[sorted.count / 2]
  }

  var descriptors: Int { rounds.map(\.descriptors).max() ?? 0 }
  var kibibytes: Int { rounds.map(\.kibibytes).max() ?? 0 }
}
