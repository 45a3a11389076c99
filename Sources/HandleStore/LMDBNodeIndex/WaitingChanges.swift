internal import HandleLocks
internal import Synchronization

/// The changes whose threads wait while another thread commits, for commits that take less time than it
/// takes to wake a thread. Whoever commits next takes them along.
final class WaitingChanges<Work: Sendable>: Sendable {
  private struct State {
    var changes: [Work] = []
    /// Set when the waiting changes are done.
    var done = Event()
  }

  private let state = Locked(State())
  private let number = Atomic(0)
  private let sleepers = Atomic(0)

  /// How many wait.
  var count: Int { number.load(ordering: .relaxed) }

  /// Whether changes wait, and threads sleep.
  var haveSleepers: Bool { count > 0 && sleepers.load(ordering: .relaxed) > 0 }

  /// Adds a change. Returns the event that ``take()`` returns with it.
  func add(_ change: Work) -> Event {
    state.withLock { state in
      state.changes.append(change)
      number.store(state.changes.count, ordering: .relaxed)
      return state.done
    }
  }

  /// Takes all changes; `nil` if there are none. Only the thread that commits calls this, and it sets the
  /// event when the changes are done.
  func take() -> (changes: [Work], done: Event)? {
    guard count > 0 else { return nil }
    return state.withLock { state in
      defer {
        state = State()
        number.store(0, ordering: .relaxed)
      }
      return (state.changes, state.done)
    }
  }

  /// Sleeps until a change is done, but not for long: the thread that commits may not have seen it.
  func sleep(until done: Event) {
    sleepers.add(1, ordering: .relaxed)
    done.sleep(atMost: 1_000_000)
    sleepers.subtract(1, ordering: .relaxed)
  }
}
