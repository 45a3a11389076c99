internal import Synchronization
internal import SystemPackage

/// The files that were found inside an export and had no name taken or changed since.
final class VerifiedFiles: Sendable {
  private struct State {
    var watch: RenameWatch
    var known: Set<KernelFileHandle> = []
    /// How many events there were.
    var changes: UInt64 = 0

    /// Takes in what happened since.
    mutating func catchUp() {
      do throws(Errno) {
        var known = self.known
        self.known = []
        var changes = self.changes
        defer { (self.known, self.changes) = (known, changes) }
        try watch.drain { event in
          changes += 1
          switch event {
          case .file(let handle): known.remove(handle)
          case .anything: known.removeAll(keepingCapacity: true)
          }
        }
      } catch {
        // Nothing is known without events.
        known.removeAll(keepingCapacity: true)
        changes += 1
      }
    }
  }

  private static let capacity = 1 << 16
  private let state: Mutex<State>

  init(_ watch: RenameWatch) { state = Mutex(State(watch: watch)) }

  /// Whether a file is inside at this moment, as far as is known; and a ticket to ``insert(_:_:)``.
  func contains(_ handle: KernelFileHandle) -> (Bool, ticket: UInt64) {
    state.withLock { state in
      state.catchUp()
      return (state.known.contains(handle), state.changes)
    }
  }

  /// Remembers a file that was found inside since the ticket was given, unless something was renamed
  /// meanwhile.
  func insert(_ handle: KernelFileHandle, _ ticket: UInt64) {
    state.withLock { state in
      state.catchUp()
      guard state.changes == ticket else { return }
      if state.known.count >= Self.capacity { state.known.removeAll(keepingCapacity: true) }
      state.known.insert(handle)
    }
  }

  /// Forgets everything.
  func removeAll() {
    state.withLock { state in
      state.known.removeAll(keepingCapacity: true)
      state.changes += 1
    }
  }
}
