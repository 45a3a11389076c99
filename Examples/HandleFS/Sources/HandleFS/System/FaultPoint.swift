internal import Glibc
internal import HandleStore
internal import SystemPackage

/// The points at which a server under test kills itself, or waits. The file that HANDLEFS_FAULT names
/// holds one point, such as `rename acted`; the server removes the file when it first reaches that point,
/// and dies, or waits until the file is there again. Only in a build with `-DFAULT_POINTS`.
enum FaultPoint {
  enum Place: String {
    /// The intent is in the journal.
    case noted
    /// The intended operation has been carried out.
    case acted
    /// The reply has gone to the kernel.
    case answered
  }

  /// A point at which no name is changed.
  enum Step: String {
    /// Events were read, and none of them is handled.
    case eventsRead = "events read"
    /// The status of a file that is looked up was read.
    case statusRead = "status read"
    /// It is decided for how long the kernel may believe that status.
    case timeChosen = "time chosen"
    /// A guest has mounted, and the host is about to serve it.
    case guestMounted = "guest mounted"
    /// The last mount of a store has ended, and what the mounts shared is about to be removed.
    case storeLeft = "store left"
    /// The attributes that the kernel asked for were read.
    case attributesRead = "attributes read"
    /// The kernel has not been told yet that all files may have changed before this server began.
    case aboutToTellOfAll = "about to tell of all"
  }

  #if FAULT_POINTS
    private static let file = unsafe getenv("HANDLEFS_FAULT").map {
      unsafe FilePath(platformString: $0)
    }
  #endif

  static func pass(_ operation: Intent.Operation, _ place: Place) {
    #if FAULT_POINTS
      if isReached("\(operation) \(place.rawValue)") { die() }
    #endif
  }

  /// Dies at a step.
  static func pass(_ step: Step) {
    #if FAULT_POINTS
      if isReached(step.rawValue) { die() }
    #endif
  }

  /// Waits at a step, while other threads go on.
  static func wait(at step: Step) {
    #if FAULT_POINTS
      guard let file, isReached(step.rawValue) else { return }
      while (try? read(file)) == nil { usleep(1000) }
    #endif
  }

  #if FAULT_POINTS
    private static func die() -> Never {
      kill(getpid(), SIGKILL)
      while true { pause() }
    }

    private static func isReached(_ point: @autoclosure () -> String) -> Bool {
      guard let file, let wanted = try? read(file), wanted == point() else { return false }
      return unsafe file.withPlatformString { unsafe unlink($0) } == 0
    }

    private static func read(_ file: FilePath) throws -> String {
      let descriptor = try FileDescriptor.open(file, .readOnly)
      defer { try? descriptor.close() }
      return try unsafe String(unsafeUninitializedCapacity: 256) {
        try unsafe descriptor.read(into: UnsafeMutableRawBufferPointer($0))
      }
    }
  #endif
}
