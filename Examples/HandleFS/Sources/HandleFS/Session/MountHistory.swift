internal import SystemPackage

/// What has happened to a mount, in memory that outlives its processes. Only the supervisor writes to it,
/// and the first server the incarnation.
struct MountHistory {
  /// Why a server ended and was replaced.
  enum Reason: String, CaseIterable {
    /// `handlefs restart`.
    case requested
    /// It crashed, or exited with an error.
    case failed
    /// A signal from outside ended it.
    case killed
    /// It did not answer the watchdog.
    case unresponsive
    /// Its supervisor was killed, and the next one could not see how it ended.
    case unknown

    fileprivate var index: Int { 1 + (Self.allCases.firstIndex(of: self) ?? 0) }
  }

  private let memory: FileDescriptor

  init(in memory: FileDescriptor) { self.memory = memory }

  /// When the filesystem was mounted, in milliseconds since 1970.
  var mounted: UInt64 { (try? memory.word(0)) ?? 0 }

  /// How many servers were replaced for a reason.
  func restarts(_ reason: Reason) -> UInt64 { (try? memory.word(reason.index)) ?? 0 }

  /// The incarnation of the shared store with which the mount began.
  var incarnation: UInt32 { UInt32(truncatingIfNeeded: (try? memory.word(Self.incarnation)) ?? 0) }

  func record(incarnation: UInt32) throws(Errno) {
    try memory.setWord(Self.incarnation, UInt64(incarnation))
  }

  /// The place of the incarnation, with room for further reasons before it.
  private static let incarnation = 32

  func recordMount() { try? memory.setWord(0, Clock.sinceEpoch) }

  func recordRestart(_ reason: Reason) {
    try? memory.setWord(reason.index, restarts(reason) + 1)
  }
}
