internal import Glibc
internal import HandleLocks
internal import Synchronization

/// Closes files in a thread of its own. It takes time, above all if a file has lost its last name, and nobody
/// should wait for it.
final class BackgroundClosing: Sendable {
  /// While files come, the time between two looks, in microseconds. To wake the thread for each file would
  /// take those who bring them longer.
  private static let interval: UInt32 = 1000
  /// After so many looks without a file the thread waits to be woken.
  private static let looks = 64
  /// If so many files wait, whoever brings one more closes one.
  private static let most = 32

  private let files = Locked<[BackingFile]>([])
  private let isResting = Atomic(false)
  private let bell: Bell

  init() throws { bell = try Bell() }

  /// Has a file closed soon, unless somebody else still has it.
  func close(_ file: BackingFile) {
    let oldest: BackingFile? = files.withLock { files in
      files.append(file)
      return files.count > Self.most ? files.removeFirst() : nil
    }
    withExtendedLifetime(oldest) {}
    if isResting.load(ordering: .sequentiallyConsistent) { bell.ring() }
  }

  /// Closes the files that wait. Returns whether there were some.
  @discardableResult func closeAll() -> Bool {
    let waiting = files.withLock { files in
      defer { files = [] }
      return files
    }
    return !waiting.isEmpty
  }

  /// Closes files in the background; never returns.
  func run() {
    while true {
      var quietLooks = 0
      while quietLooks < Self.looks {
        quietLooks = closeAll() ? 0 : quietLooks + 1
        usleep(Self.interval)
      }
      isResting.store(true, ordering: .sequentiallyConsistent)
      if files.withLock({ $0.isEmpty }) { bell.wait(milliseconds: -1) }
      isResting.store(false, ordering: .sequentiallyConsistent)
    }
  }
}
