import Formatting
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
    let file = try FileDescriptor.open(
      path, .writeOnly, options: [.create, .truncate], permissions: .ownerReadWrite)
    try file.closeAfter { _ = try file.writeAll(text.utf8) }
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
