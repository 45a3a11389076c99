import Formatting
import HandleStore
import SystemPackage

extension Text {
  /// Returns a number with one digit after the point.
  static func tenths(_ number: Double) -> String {
    let tenths = Int((number * 10).rounded())
    return "\(grouped(tenths / 10)).\(tenths % 10)"
  }

  /// Returns a number of bytes; from 1024 on, also in a larger unit.
  static func size(_ bytes: UInt64) -> String {
    let exact = "\(grouped(Int(bytes))) bytes"
    guard bytes >= 1024 else { return exact }
    var value = Double(bytes)
    var unit = ""
    for larger in ["KiB", "MiB", "GiB", "TiB", "PiB"] where value >= 1024 {
      value /= 1024
      unit = larger
    }
    return "\(tenths(value)) \(unit) (\(exact))"
  }

  /// Returns a time in seconds, to the millisecond.
  static func seconds(_ seconds: Double) -> String {
    let thousandths = String(Int((seconds * 1000).rounded()) % 1000 + 1000).dropFirst()
    return "\(grouped(Int((seconds * 1000).rounded()) / 1000)).\(thousandths) s"
  }

  /// Returns a path in a form that is safe for a terminal. Control characters, and all bytes that
  /// are not printable ASCII in a path that is not UTF-8, become `\xNN`.
  static func path(_ path: FilePath) -> String {
    guard let text = String(validating: path) else {
      return path.bytes.map { (0x20..<0x7f).contains($0) ? ascii($0) : escaped($0) }.joined()
    }
    return plain(text)
  }

  /// Returns a name in a form that is safe for a terminal, as ``path(_:)`` does.
  static func plain(_ name: String) -> String {
    name.unicodeScalars.map { scalar in
      scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value)
        ? escaped(UInt8(scalar.value)) : String(Character(scalar))
    }.joined()
  }

  /// Returns the bytes of a path in hexadecimal if it is not UTF-8, otherwise `nil`.
  static func bytes(ofUnreadable path: FilePath) -> String? {
    String(validating: path) == nil ? Hexadecimal.string(path.bytes) : nil
  }

  private static func ascii(_ byte: UInt8) -> String { String(Character(UnicodeScalar(byte))) }

  private static func escaped(_ byte: UInt8) -> String { "\\x" + Hexadecimal.string([byte]) }
}

extension FileType {
  /// The type's name in all output.
  var name: String {
    switch self {
    case .regular: "regular"
    case .directory: "directory"
    case .symbolicLink: "symlink"
    case .characterSpecial: "character"
    case .blockSpecial: "block"
    case .fifo: "fifo"
    case .socket: "socket"
    default: "unknown"
    }
  }
}

extension NodeState {
  /// The state's name in all output.
  var name: String {
    switch self {
    case .live: "live"
    case .stale: "stale"
    }
  }
}
