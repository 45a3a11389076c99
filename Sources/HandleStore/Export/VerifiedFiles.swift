internal import HandleLocks
internal import SystemPackage

/// The files that were found inside an export, and whose names have not been changed or removed
/// since.
final class VerifiedFiles: Sendable {
  private struct State {
    var watch: RenameWatch
    var known: Set<FileKey> = []
    /// How many events came. A failure to read events counts as one.
    var changes: UInt64 = 0
    /// Whether there may be more events in the queue.
    var isBehind = false
  }

  private static let capacity = 1 << 16
  private static let mostEvents = 256
  private let magic: FilesystemMagic
  private let state: Locked<State>

  init(_ watch: RenameWatch, on magic: FilesystemMagic) {
    self.magic = magic
    state = Locked(State(watch: watch))
  }

  /// Returns whether a file is inside at this moment, as far as is known, and a ticket for
  /// ``insert(_:_:)``.
  func contains(_ handle: KernelFileHandle) -> (Bool, ticket: UInt64) {
    let file = handle.fileKey(on: magic)
    return state.withLock { state in
      catchUp(&state)
      return (file.map { state.known.contains($0) } ?? false, state.changes)
    }
  }

  /// Remembers a file that was found inside after the ticket was given, unless something was
  /// renamed since then.
  func insert(_ handle: KernelFileHandle, _ ticket: UInt64) {
    guard let file = handle.fileKey(on: magic) else { return }
    state.withLock { state in
      catchUp(&state)
      guard state.changes == ticket, !state.isBehind else { return }
      if state.known.count >= Self.capacity { state.known.removeAll(keepingCapacity: true) }
      state.known.insert(file)
    }
  }

  /// Reads the events that came since the last call, and forgets the files that they concern.
  private func catchUp(_ state: inout State) {
    do throws(Errno) {
      state.isBehind = false
      var taken = 0
      while let event = try state.watch.next() {
        state.changes += 1
        taken += 1
        // A call must not wait for a long queue. Until its end is reached, no file is known.
        if taken == Self.mostEvents {
          state.isBehind = true
          return state.known.removeAll(keepingCapacity: true)
        }
        if case .file(let handle) = event, let file = handle.fileKey(on: magic) {
          state.known.remove(file)
        } else {
          state.known.removeAll(keepingCapacity: true)
        }
      }
    } catch {
      // Without events no file is known.
      state.changes += 1
      state.known.removeAll(keepingCapacity: true)
    }
  }
}
