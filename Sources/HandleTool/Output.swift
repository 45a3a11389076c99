import SystemPackage

/// Standard output, written in large pieces.
struct Output: ~Copyable {
  private static let pieceSize = 128 << 10

  private(set) var bytes: [UInt8] = []
  private let descriptor = FileDescriptor.standardOutput

  init() { bytes.reserveCapacity(Self.pieceSize + 4096) }

  /// Appends a line. `body` appends its text, without the end of line.
  mutating func line(_ body: (inout [UInt8]) -> Void) throws {
    body(&bytes)
    bytes.append(UInt8(ascii: "\n"))
    if bytes.count >= Self.pieceSize { try flush() }
  }

  /// Appends bytes as they are.
  mutating func append(_ more: [UInt8]) { bytes += more }

  mutating func line(_ text: String) throws { try line { $0.append(contentsOf: text.utf8) } }

  /// Writes what is left. Call this before the end of the program.
  mutating func flush() throws {
    try descriptor.writeAll(bytes)
    bytes.removeAll(keepingCapacity: true)
  }
}
