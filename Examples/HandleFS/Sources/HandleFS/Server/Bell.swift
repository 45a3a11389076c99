internal import HandleStore
internal import Synchronization
internal import SystemPackage

/// Wakes a thread that waits for work in the background.
final class Bell: Sendable {
  private let ends: SocketPair
  private let isRung = Atomic(false)

  init() throws { ends = try Parking.makeSockets() }

  deinit { for end in [ends.mine, ends.its] { try? end.close() } }

  /// Wakes the thread, also if it waits only later.
  func ring() {
    guard !isRung.exchange(true, ordering: .sequentiallyConsistent) else { return }
    try? ends.its.writeOnce([0])
  }

  /// Waits until the thread is woken, or for some milliseconds.
  func wait(milliseconds: Int) {
    guard Processes.wait(for: [ends.mine], milliseconds: milliseconds)[0] else { return }
    isRung.store(false, ordering: .sequentiallyConsistent)
    _ = try? ends.mine.readOnce(1)
  }
}
