import Formatting
import Foundation
import SystemPackage

extension Text {
  /// Returns a text on the right of a column, with at least one blank before it.
  static func cell(_ text: String, _ width: Int) -> String {
    right(text, max(width, text.count + 1))
  }

  /// Returns a name such as `handleType` in the form of JSON members, `handle_type`.
  static func snakeCase(_ name: String) -> String {
    name.map { $0.isUppercase ? "_\($0.lowercased())" : "\($0)" }.joined()
  }

  /// Writes a JSON value as a file.
  static func write(_ value: JSON, to path: FilePath) throws {
    var bytes: [UInt8] = []
    value.append(to: &bytes)
    try write(String(decoding: bytes, as: UTF8.self) + "\n", to: path)
  }

  static func write(_ text: String, to path: FilePath) throws {
    do {
      let file = try FileDescriptor.open(
        path, .writeOnly, options: [.create, .truncate], permissions: .ownerReadWrite)
      try file.closeAfter { _ = try file.writeAll(text.utf8) }
    } catch {
      throw BenchError(
        description: "\(path) cannot be written, or not as a whole: \(error); name another file")
    }
  }

  /// Returns a text without control characters, which could do anything to a terminal: `\x1B` for
  /// one.
  static func printable(_ text: String) -> String {
    text.unicodeScalars.reduce(into: "") { result, scalar in
      guard scalar.properties.generalCategory == .control else {
        return result.unicodeScalars.append(scalar)
      }
      let digits = String(scalar.value, radix: 16, uppercase: true)
      result += "\\x" + right(digits, 2).replacing(" ", with: "0")
    }
  }
}

extension JSON {
  /// A number with some digits after the point.
  static func decimal(_ value: Double, places: Int) -> JSON {
    let scale = (0..<places).reduce(1.0) { scale, _ in scale * 10 }
    return .fraction((value * scale).rounded() / scale)
  }

  static func count(_ count: Int) -> JSON { .number(UInt64(count)) }
}

/// Paths that are checked before any work begins.
extension Text {
  static func requireDirectory(_ path: String) throws {
    do {
      try FileDescriptor.open(FilePath(path), .readOnly, options: .directory).close()
    } catch {
      throw BenchError(description: "\(path): \(error); name a directory that exists")
    }
  }

  /// Checks that a file can be written, without changing it.
  static func requireWritable(_ path: String) throws {
    let path = FilePath(path)
    do {
      let isNew = (try? FileDescriptor.open(path, .readOnly).close()) == nil
      let file = try FileDescriptor.open(
        path, .writeOnly, options: .create, permissions: .ownerReadWrite)
      try file.close()
      if isNew { try? FileManager.default.removeItem(atPath: path.string) }
    } catch {
      throw BenchError(description: "\(path) cannot be written: \(error); name another file")
    }
  }
}
