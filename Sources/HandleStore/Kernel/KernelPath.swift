internal import SystemPackage

/// A path that the kernel reported. Calls through an export take such paths apart, so this works on
/// the bytes.
struct KernelPath {
  private static let slash = UInt8(ascii: "/")
  private let bytes: ArraySlice<UInt8>

  /// Asks the kernel for the path of an open file.
  init(of descriptor: FileDescriptor) throws(Errno) {
    bytes = try SystemCalls.pathBytes(of: descriptor)[...]
  }

  private init(_ bytes: ArraySlice<UInt8>) { self.bytes = bytes }

  /// The last component, or `nil` for the root directory.
  var name: FilePath? {
    let start = bytes.lastIndex(of: Self.slash).map { $0 + 1 } ?? bytes.startIndex
    return FilePath(name: Array(bytes[start...]))
  }

  /// The path of the parent directory without its leading slash, or `.` for a single component.
  var directory: FilePath {
    let end = bytes.lastIndex(of: Self.slash) ?? bytes.startIndex
    let above = bytes[..<end].drop { $0 == Self.slash }
    return above.isEmpty ? "." : FilePath(bytes: above)
  }

  /// The path without its leading slash, or `.` if it is empty.
  var relative: FilePath {
    let rest = bytes.drop { $0 == Self.slash }
    return rest.isEmpty ? "." : FilePath(bytes: rest)
  }

  /// Returns what follows the path `top` in this path, or `nil` if this path is not `top` or below
  /// it.
  func below(_ top: KernelPath) -> KernelPath? {
    let rest = bytes.dropFirst(top.bytes.count)
    guard bytes.starts(with: top.bytes),
      top.bytes.last == Self.slash || rest.isEmpty || rest.first == Self.slash
    else { return nil }
    return KernelPath(rest)
  }
}
