internal import HandleStore
internal import Synchronization
internal import SystemPackage

/// Wakes the thread that makes room for kept files.
final class Pressure: Sendable {
  private let ends: SocketPair
  private let isRaised = Atomic(false)

  init() throws { ends = try Parking.makeSockets() }

  /// Wakes the thread, also if it waits only later.
  func raise() {
    guard !isRaised.exchange(true, ordering: .sequentiallyConsistent) else { return }
    try? ends.its.writeOnce([0])
  }

  /// Waits until the thread is woken, or for some milliseconds.
  func wait(milliseconds: Int) {
    guard Processes.wait(for: [ends.mine], milliseconds: milliseconds)[0] else { return }
    isRaised.store(false, ordering: .sequentiallyConsistent)
    _ = try? ends.mine.readOnce(1)
  }
}
