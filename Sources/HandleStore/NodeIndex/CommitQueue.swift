internal import Synchronization

/// Lets threads that change something at the same time share a commit. One thread leads: it commits its
/// own change, and then those that arrived meanwhile, all together, until none waits.
package final class CommitQueue<Work: Sendable>: Sendable {
  private struct State {
    var isLed = false
    var waiting: [Work] = []
    /// Set when the waiting changes are done, or their threads have to try again.
    var next = Event()

    /// Takes all waiting changes.
    mutating func take() -> (group: [Work], next: Event) {
      defer { (waiting, next) = ([], Event()) }
      return (waiting, next)
    }
  }

  private let state = Mutex(State())

  package init() {}

  /// Waits until another thread has committed a change. If that thread stops leading before, the change
  /// has no result yet, and the caller calls again.
  ///
  /// - Parameter change: makes what the leading thread gets.
  /// - Returns: `false` if no thread led. Then the calling thread leads: it commits its change, and calls
  ///   ``serve(_:)`` in any case.
  package func wait(_ change: () -> Work) -> Bool {
    let done = state.withLock { state -> Event? in
      guard state.isLed else {
        state.isLed = true
        return nil
      }
      state.waiting.append(change())
      return state.next
    }
    done?.wait()
    return done != nil
  }

  /// Commits the waiting changes, all together, and repeats that until none waits or the thread has
  /// done enough for others. Then one of the waiting threads leads.
  ///
  /// - Parameter limit: how many times to commit for others before the thread returns to its own work.
  package func serve(atMost limit: Int = 64, _ commitTogether: ([Work]) -> Void) {
    for _ in 0..<limit {
      let next = state.withLock { state -> ([Work], Event)? in
        state.isLed = !state.waiting.isEmpty
        return state.isLed ? state.take() : nil
      }
      guard let (group, done) = next else { return }
      commitTogether(group)
      done.set()
    }
    state.withLock { state in
      state.isLed = false
      return state.take().next
    }.set()
  }
}
