internal import SystemPackage

/// What has happened to a mount, in memory that outlives its processes. Only the supervisor writes
/// to it.
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

  func recordMount() { try? memory.setWord(0, Clock.sinceEpoch) }

  func recordRestart(_ reason: Reason) {
    try? memory.setWord(reason.index, restarts(reason) + 1)
  }
}
