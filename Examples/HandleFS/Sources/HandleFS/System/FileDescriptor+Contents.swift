internal import Glibc
internal import SystemPackage

/// Reads and writes small files and streams.
extension FileDescriptor {
  /// Calls `read(2)` once, for at most `limit` bytes.
  func readOnce(_ limit: Int) throws(Errno) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: limit)
    let count = unsafe Glibc.read(rawValue, &bytes, limit)
    guard count >= 0 else { throw Errno(rawValue: errno) }
    return Array(bytes.prefix(count))
  }

  /// Returns the contents of a file from an offset on, at most 64 KiB.
  func contents(from offset: Int = 0) throws(Errno) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 64 << 10)
    let count = unsafe Glibc.pread(rawValue, &bytes, bytes.count, Int(offset))
    guard count >= 0 else { throw Errno(rawValue: errno) }
    return Array(bytes.prefix(count))
  }

  /// Returns the whole contents of the file at a path.
  static func contents(of path: String) throws(Errno) -> [UInt8] {
    let file = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw Errno(rawValue: errno) }
    defer { _ = Glibc.close(file) }
    var contents: [UInt8] = []
    while case let bytes = try FileDescriptor(rawValue: file).readOnce(64 << 10), !bytes.isEmpty {
      contents += bytes
    }
    return contents
  }

  func writeOnce(_ bytes: [UInt8]) throws(Errno) {
    guard unsafe Glibc.write(rawValue, bytes, bytes.count) == bytes.count else {
      throw Errno(rawValue: errno)
    }
  }
}
