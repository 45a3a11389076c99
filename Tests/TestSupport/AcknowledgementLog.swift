import Glibc
import SystemPackage

/// What a process that may be killed at any moment writes down of its store: before a change what it
/// is about to do, and behind it what the store acknowledged. A kill may cut a write where a page ends,
/// so a line has a mark at its end, and one without it does not count.
public final class AcknowledgementLog: Sendable {
  private let file: FileDescriptor

  /// Appends to a file.
  public init(_ path: FilePath) throws {
    file = try .open(
      path, .writeOnly, options: [.create, .append, .closeOnExec], permissions: .ownerReadWrite)
  }

  /// Keys from here on do not belong to one thread.
  public static let firstCommonKey: UInt64 = 1 << 60

  /// A line of the log. A key is an inode number that one thread has to itself.
  public enum Line: Sendable {
    /// The key's node is about to be made stale.
    case intent(key: UInt64)
    /// The key has a node under a generation.
    case registered(key: UInt64, generation: UInt32, node: UInt64)
    /// A registration of the key was told that it made the node.
    case created(key: UInt64)
    /// The node was retired, or replaced.
    case stale(key: UInt64, node: UInt64)
  }

  /// Writes lines in one call.
  public func append(_ lines: [Line]) {
    let bytes = Array(lines.map(\.text).joined().utf8)
    _ = bytes.withUnsafeBytes { Glibc.write(file.rawValue, $0.baseAddress, $0.count) }
  }

  deinit { try? file.close() }
}

extension AcknowledgementLog.Line {
  fileprivate var text: String {
    switch self {
    case .intent(let key): "i \(key) ;\n"
    case .registered(let key, let generation, let node): "r \(key) \(generation) \(node) ;\n"
    case .created(let key): "c \(key) ;\n"
    case .stale(let key, let node): "s \(key) \(node) ;\n"
    }
  }

  fileprivate init?(_ text: Substring) {
    let words = text.split(separator: " ")
    let numbers = words.dropFirst().dropLast().compactMap { UInt64($0) }
    guard words.last == ";", numbers.count == words.count - 2 else { return nil }
    switch (words.first, numbers.count) {
    case ("i", 1): self = .intent(key: numbers[0])
    case ("r", 3):
      self = .registered(
        key: numbers[0], generation: UInt32(truncatingIfNeeded: numbers[1]), node: numbers[2])
    case ("c", 1): self = .created(key: numbers[0])
    case ("s", 2): self = .stale(key: numbers[0], node: numbers[1])
    default: return nil
    }
  }
}

extension AcknowledgementLog {
  /// The lines of a log, but for one that is not whole.
  public static func lines(_ path: FilePath) throws -> [Line] {
    try read(path).split(separator: "\n").compactMap { Line($0) }
  }
}
