internal import FoundationEssentials
internal import Formatting
internal import Logging
internal import SystemPackage

/// A line of the log as JSON: the time, the level, the message, which process of which mount wrote
/// it, and what belongs to the message.
struct LogLine: Sendable {
  private let role: Log.Role
  private let mountpoint: String

  init(_ role: Log.Role, of mountpoint: String) {
    self.role = role
    self.mountpoint = mountpoint
  }

  /// Writes a line to standard error. A failure is ignored.
  func write(_ level: Logger.Level, _ message: String, _ fields: Logger.Metadata = [:]) {
    _ = try? FileDescriptor.standardError.writeAll(Array("\(text(level, message, fields))\n".utf8))
  }

  /// Returns a line without the newline at its end.
  func text(_ level: Logger.Level, _ message: String, _ fields: Logger.Metadata) -> String {
    let line: [(String, JSON)] = [
      ("time", .string(Timestamp.text(Clock.sinceEpoch))), ("level", .string(level.rawValue)),
      ("message", .string(message)), ("process", .string(role.rawValue)),
      ("mountpoint", .string(mountpoint)),
    ]
    let fields = fields.sorted { $0.key < $1.key }.map { name, value in
      (String(name.map { $0 == " " ? "_" : $0 }), value.json)
    }
    var bytes: [UInt8] = []
    JSON.object(line + fields).append(to: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }
}

extension Logger.MetadataValue {
  fileprivate var json: JSON {
    switch self {
    case .string(let text): .string(text)
    case .stringConvertible(let number as Double): .fraction(number)
    case .stringConvertible(let value):
      (value as? any BinaryInteger).flatMap { UInt64(exactly: $0) }.map { .number($0) }
        ?? .string("\(value)")
    case .array(let values): .array(values.map(\.json))
    case .dictionary(let members):
      .object(members.sorted { $0.key < $1.key }.map { ($0.key, $0.value.json) })
    }
  }
}

/// A time as RFC 3339 has it, in UTC.
enum Timestamp {
  /// - Parameter milliseconds: the milliseconds since 1970.
  static func text(_ milliseconds: UInt64) -> String {
    let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
    return Date(timeIntervalSince1970: Double(milliseconds) / 1000).formatted(style)
  }
}
