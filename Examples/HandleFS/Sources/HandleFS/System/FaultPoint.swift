internal import Glibc
internal import HandleStore
internal import SystemPackage

/// Where a server under test kills itself: the first time that it comes by what the file named by
/// HANDLEFS_FAULT says, such as `rename acted`. Only in a debug build.
enum FaultPoint {
  enum Place: String {
    /// An intent stands in the journal.
    case noted
    /// What was intended was done.
    case acted
    /// The kernel has the reply.
    case answered
  }

  #if DEBUG
    private static let file = unsafe getenv("HANDLEFS_FAULT").map {
      unsafe FilePath(platformString: $0)
    }
  #endif

  static func pass(_ operation: Intent.Operation, _ place: Place) {
    #if DEBUG
      guard let file, let wanted = try? Self.read(file),
        wanted == "\(operation) \(place.rawValue)",
        unsafe file.withPlatformString({ unsafe unlink($0) }) == 0
      else { return }
      kill(getpid(), SIGKILL)
      while true { pause() }
    #endif
  }

  #if DEBUG
    private static func read(_ file: FilePath) throws -> String {
      let descriptor = try FileDescriptor.open(file, .readOnly)
      defer { try? descriptor.close() }
      return try unsafe String(unsafeUninitializedCapacity: 256) {
        try unsafe descriptor.read(into: UnsafeMutableRawBufferPointer($0))
      }
    }
  #endif
}
