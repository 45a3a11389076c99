import CTestSupport
import Glibc
import SystemPackage

/// A file in memory (`memfd_create(2)`), gone with the value.
public final class MemoryFile: Sendable {
  /// Open for reading and writing.
  public let descriptor: FileDescriptor

  /// An empty file.
  public init() throws {
    let number = ts_memory_file()
    guard number >= 0 else { throw Errno(rawValue: -number) }
    descriptor = FileDescriptor(rawValue: number)
  }

  /// How many blocks of 512 bytes it takes.
  public var blocks: Int {
    var status = stat()
    return fstat(descriptor.rawValue, &status) == 0 ? Int(status.st_blocks) : -1
  }

  deinit { try? descriptor.close() }
}
