import CHandleStore
import Formatting
import Foundation
import SystemPackage

/// What a run measured, and on which machine: what `--json` writes, and what `report` and `compare`
/// read.
struct BenchmarkResult: Codable {
  struct Option: Codable {
    let name, value: String
  }

  /// The number of this layout. It changes if a program that knows the older one would misread it.
  static let format = 1

  let format: Int
  /// The subcommand.
  let benchmark: String
  /// Of this program.
  let version: String
  /// Whether the compiler optimised it. The figures of a debug build say nothing.
  let isOptimised: Bool
  let options: [Option]
  /// When the run began.
  let date: Date
  var machine: Machine
  private(set) var noise: Noise
  var workloads: [Comparison] = []
  /// What the servers used at most, if servers were measured.
  var servers: [ServerUsage] = []
  /// What the servers held during a walk; `nil` in results of earlier versions.
  var walks: [Walk]?
  /// What was not measured, and why.
  var missing: [Missing] = []
  /// The times from the kill of a server to its next reply, in nanoseconds, sorted.
  var restarts: [UInt64] = []

  /// Describes the machine, and measures its noise before the run.
  ///
  /// - Parameter directory: where the stores, or the files, are.
  init(of benchmark: String, options: KeyValuePairs<String, String>, directory: String) {
    format = Self.format
    self.benchmark = benchmark
    version = HS_VERSION
    isOptimised = Self.isOptimised
    self.options = options.map { Option(name: $0, value: $1) }
    date = Date()
    machine = Machine(directory: directory)
    noise = Noise()
  }

  /// Measures the noise after the run, prints everything, and writes it to a file if one is given.
  mutating func finish(json: String?) throws {
    noise.finish()
    // The figures are printed even if the file cannot be written, and written if nobody reads them.
    let written = Result { if let json { try write(to: FilePath(json)) } }
    ResultText(result: self).print()
    try written.get()
  }

  #if DEBUG
    private static let isOptimised = false
  #else
    private static let isOptimised = true
  #endif

  /// The options that were given or that have defaults.
  var optionsText: String {
    options.filter { !$0.value.isEmpty }.map { "\($0.name) \($0.value)" }.joined(separator: ", ")
  }

  /// How many nodes a store had; `nil` if this benchmark has no such option.
  var nodes: Int? {
    options.first { $0.name == "nodes" }.flatMap { Int($0.value) }.flatMap { $0 > 0 ? $0 : nil }
  }
}

/// What a server used at most, and why it failed.
struct ServerUsage: Codable {
  let name: String
  let command: [String]
  let descriptors: Int
  let kibibytes: Int
  let failures: [String]
}

/// Something that was not measured.
struct Missing: Codable {
  let name, reason: String
}

extension BenchmarkResult {
  func write(to path: FilePath) throws {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.dateEncodingStrategy = .iso8601
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    try Text.write(String(decoding: encoder.encode(self), as: UTF8.self) + "\n", to: path)
  }

  /// Reads what ``write(to:)`` wrote.
  init(from path: String) throws {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    decoder.dateDecodingStrategy = .iso8601
    do {
      let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
      self = try decoder.decode(Self.self, from: bytes)
    } catch let error as DecodingError {
      throw BenchError(description: Self.explanation(error, path))
    } catch {
      throw BenchError(description: "\(path) cannot be read: \(error.localizedDescription)")
    }
    guard format == Self.format else {
      throw BenchError(
        description: """
          \(path) has format \(format), and this handlebench reads format \(Self.format); use the \
          handlebench that wrote it
          """)
    }
    if let fault = ResultCheck(result: self).fault {
      throw BenchError(
        description: """
          \(path) is not a result of handlebench: \(fault); give a file that --json wrote
          """)
    }
  }

  private static func explanation(_ error: DecodingError, _ path: String) -> String {
    let place: [any CodingKey] =
      switch error {
      case .keyNotFound(let key, let context): context.codingPath + [key]
      case .typeMismatch(_, let context), .valueNotFound(_, let context),
        .dataCorrupted(let context):
        context.codingPath
      @unknown default: []
      }
    let at = place.map(\.stringValue).joined(separator: ".")
    return """
      \(path) is not a result of handlebench\(at.isEmpty ? "" : " (see \(at))"); give a file that \
      --json wrote
      """
  }
}
