internal import Glibc
internal import HandleStore
internal import SystemPackage

/// The points at which a server under test kills itself. The file that HANDLEFS_FAULT names holds
/// one point, such as `rename acted`; the server removes the file and dies when it first reaches
/// that point. Only in a build with `-DFAULT_POINTS`.
enum FaultPoint {
  enum Place: String {
    /// The intent is in the journal.
    case noted
    /// The intended operation has been carried out.
    case acted
    /// The reply has gone to the kernel.
    case answered
  }

  #if FAULT_POINTS
    private static let file = unsafe getenv("HANDLEFS_FAULT").map {
      unsafe FilePath(platformString: $0)
    }
  #endif

  static func pass(_ operation: Intent.Operation, _ place: Place) {
    #if FAULT_POINTS
      guard let file, let wanted = try? Self.read(file),
        wanted == "\(operation) \(place.rawValue)",
        unsafe file.withPlatformString({ unsafe unlink($0) }) == 0
      else { return }
      kill(getpid(), SIGKILL)
      while true { pause() }
    #endif
  }

  #if FAULT_POINTS
    private static func read(_ file: FilePath) throws -> String {
      let descriptor = try FileDescriptor.open(file, .readOnly)
      defer { try? descriptor.close() }
      return try unsafe String(unsafeUninitializedCapacity: 256) {
        try unsafe descriptor.read(into: UnsafeMutableRawBufferPointer($0))
      }
    }
  #endif
}
