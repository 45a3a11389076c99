internal import SystemPackage

/// A path as the kernel tells it, taken apart by its bytes: each call through an export does so.
struct KernelPath {
  private static let slash = UInt8(ascii: "/")
  private let bytes: ArraySlice<UInt8>

  /// Asks the kernel for the path of an open file.
  init(of descriptor: FileDescriptor) throws(Errno) {
    bytes = try SystemCalls.pathBytes(of: descriptor)[...]
  }

  private init(_ bytes: ArraySlice<UInt8>) { self.bytes = bytes }

  /// The last component; `nil` of the root directory.
  var name: FilePath? {
    let start = bytes.lastIndex(of: Self.slash).map { $0 + 1 } ?? bytes.startIndex
    return FilePath(name: bytes[start...])
  }

  /// What it is in: `.` for a single component.
  var directory: FilePath {
    let end = bytes.lastIndex(of: Self.slash) ?? bytes.startIndex
    let above = bytes[..<end].drop { $0 == Self.slash }
    guard !above.isEmpty else { return "." }
    let terminated: [CChar] = above.map { CChar(bitPattern: $0) } + [0]
    return FilePath(platformString: terminated)
  }

  /// What follows another path; `nil` if that does not lead here.
  func below(_ top: KernelPath) -> KernelPath? {
    let rest = bytes.dropFirst(top.bytes.count)
    guard bytes.starts(with: top.bytes),
      top.bytes.last == Self.slash || rest.isEmpty || rest.first == Self.slash
    else { return nil }
    return KernelPath(rest)
  }
}
