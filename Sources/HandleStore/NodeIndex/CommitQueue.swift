internal import HandleLocks

/// Lets threads that change something at the same time share a commit, for commits that take much longer
/// than it takes to wake a thread. One thread leads: it commits the changes that wait, all together.
package final class CommitQueue<Work: Sendable>: Sendable {
  private struct State {
    var isLed = false
    var waiting: [Work] = []
    /// Set when the waiting changes are done, or their threads have to try again.
    var done = Event()
    /// How many threads made changes at the time of the last commit, and how long it took, in nanoseconds.
    var last = (threads: 1, time: UInt64(0))
    /// The event is set when `count` changes wait.
    var gathering: (count: Int, enough: Event)?

    /// Takes all waiting changes.
    mutating func take() -> (group: [Work], done: Event) {
      defer { (waiting, done, gathering) = ([], Event(), nil) }
      return (waiting, done)
    }
  }

  private let state = Locked(State())

  package init() {}

  /// Waits until another thread has committed a change. If that thread stops leading before, the change
  /// has no result yet, and the caller calls again.
  ///
  /// - Parameter change: returns the change; called only if another thread leads.
  /// - Returns: `false` if no thread led. Then the calling thread leads: it calls ``lead(_:_:)``.
  package func wait(_ change: () -> Work) -> Bool {
    let done = state.withLock { state -> Event? in
      guard state.isLed else {
        state.isLed = true
        return nil
      }
      state.waiting.append(change())
      if let (count, enough) = state.gathering, state.waiting.count >= count { enough.set() }
      return state.done
    }
    done?.sleep()
    return done != nil
  }

  /// Commits a change together with those that wait. Then one of the threads that wait by then leads.
  ///
  /// The threads whose changes were committed last are likely to come back soon, all at the same time. So
  /// the call waits for them, but not for long.
  package func lead(_ own: Work, _ commitTogether: ([Work]) -> Void) {
    waitForOthers()
    let (group, done) = state.withLock { $0.take() }
    let start = SystemCalls.now
    commitTogether([own] + group)
    let time = SystemCalls.now - start
    state.withLock { state in
      state.last = (1 + group.count + state.waiting.count, time)
      state.isLed = false
      return state.take().done
    }.set()
    done.set()
  }

  private func waitForOthers() {
    let gathering = state.withLock { state -> (enough: Event, time: UInt64)? in
      let others = state.last.threads - 1
      guard state.waiting.count < others else { return nil }
      let enough = Event()
      state.gathering = (others, enough)
      return (enough, min(state.last.time / 4, Self.longestGathering))
    }
    if let (enough, time) = gathering { enough.sleep(atMost: time) }
  }

  /// In nanoseconds.
  private static var longestGathering: UInt64 { 1_000_000 }
}
